using Generated;
using Generated.Layers;
using Generated.Passes;
using TorchSharp;
using static TorchSharp.torch;

namespace Runtime.Tests.Layers;

/// <summary>Decode steps by the CUDA kernels (and the prompts before them), over caches of values and of 8-bit codes, give what the CPU's give.</summary>
public sealed class CudaAttentionTests
{
    private const int Rows = 2;
    private const int Steps = 3;

    public static TheoryData<ScalarType, int, int, int, int, bool, int, bool> Cases()
    {
        var data = new TheoryData<ScalarType, int, int, int, int, bool, int, bool>();
        foreach (var codes in new[] { false, true })
        {
            data.Add(ScalarType.Float32, 4, 4, 32, 5, false, 0, codes);
            data.Add(ScalarType.Float32, 6, 2, 96, 150, true, 0, codes);
            data.Add(ScalarType.Float32, 4, 2, 128, 300, false, 40, codes);
            data.Add(ScalarType.BFloat16, 8, 2, 128, 700, false, 0, codes);
            data.Add(ScalarType.Float16, 4, 4, 64, 70, false, 0, codes);
        }

        return data;
    }

    [SkippableTheory]
    [MemberData(nameof(Cases))]
    public void DecodeSteps_AgreeWithTheCpu(ScalarType dtype, int heads, int kvHeads, int dim, int prompt, bool alibi, int window, bool codes)
    {
        Skip.IfNot(cuda.is_available(), "this machine has no CUDA device");
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        Tensor[] inputs = [.. new[] { heads, kvHeads, kvHeads }.Select(h => randn(Rows, prompt + Steps, h * dim).to(dtype))];
        var (expected, actual) = (Decoded(CPU), Decoded(CUDA));
        var tolerance = dtype switch { ScalarType.Float32 => 1e-4, ScalarType.Float16 => 4e-3, _ => 3e-2 };
        for (var i = 0; i < Steps; i++)
            Weights.Close(expected[i], actual[i], $"step {i}", tolerance, tolerance);
        Weights.Close(expected[Steps], actual[Steps], "prefill", tolerance, tolerance); // row 0, which is not padded

        Tensor[] Decoded(Device device)
        {
            using var build = new BuildContext(new BuildOptions { Dtype = dtype, Device = device });
            var attention = new Attention(build, heads, kvHeads, dim, alibi, window);
            if (codes)
                attention.RoundKeysAndValues(new KvScales([.. Enumerable.Range(1, kvHeads).Select(h => 0.02f * h)], [.. Enumerable.Range(1, kvHeads).Select(h => 0.015f * h)]));
            using var cache = KvCache.Create(build.CacheShapes, Rows, prompt + Steps, dtype, device);
            var mask = new AttentionMask { Starts = [0, 2] };
            var here = inputs.Select(x => x.to(device)).ToArray();
            using var first = new PassContext(new SequenceInputs(Rows, prompt, 0, new long[Rows * prompt], mask), cache);
            var prefill = attention.Prefill(here[0].narrow(1, 0, prompt), here[1].narrow(1, 0, prompt), here[2].narrow(1, 0, prompt), first);
            return [.. Enumerable.Range(prompt, Steps).Select(at =>
            {
                using var pass = new PassContext(new SequenceInputs(Rows, 1, at, new long[Rows], mask), cache);
                return attention.Decode(here[0].narrow(1, at, 1), here[1].narrow(1, at, 1), here[2].narrow(1, at, 1), pass).to(ScalarType.Float32).cpu();
            }), prefill.narrow(0, 0, 1).to(ScalarType.Float32).cpu()];
        }
    }
}
