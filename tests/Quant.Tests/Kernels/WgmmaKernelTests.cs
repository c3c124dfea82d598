using Generated.Native;
using Generated.Quant.Kernels.Cuda;
using Generated.Quant.Layers;
using Quant.Tests.Layers;
using TorchSharp;
using static TorchSharp.torch;

namespace Quant.Tests.Kernels;

/// <summary>The kernel that dequantizes within the product gives the product with what the integers mean, at any sizes.</summary>
public sealed class WgmmaKernelTests
{
    public static TheoryData<int, int, bool, bool, ScalarType, int> Weights()
    {
        // Each kind of weight by one plan, the usual one by all of them: each is compiled.
        var data = new TheoryData<int, int, bool, bool, ScalarType, int>();
        var plan = 0;
        foreach (var dtype in new[] { ScalarType.BFloat16, ScalarType.Float16 })
        {
            foreach (var bits in new[] { 4, 8 })
            {
                foreach (var group in new[] { 0, 32, 64, 96, 128, 256 })
                {
                    for (var i = 0; i < (group == 128 ? WgmmaPlan.All.Count : 1); i++, plan++)
                    {
                        data.Add(bits, group, true, true, dtype, plan % WgmmaPlan.All.Count);
                        data.Add(bits, group, false, false, dtype, plan % WgmmaPlan.All.Count);
                    }
                }
            }
        }

        return data;
    }

    [SkippableTheory]
    [MemberData(nameof(Weights))]
    public void Products_AreThoseOfTheWeight(int bits, int group, bool symmetric, bool halfScales, ScalarType dtype, int plan)
    {
        Skip.IfNot(cuda.is_available() && WgmmaKernels.AreOn(CUDA), "this machine has no CUDA device of compute capability 9.0");
        using var _ = no_grad();
        foreach (var (rows, inWidth, outWidths) in new (int, int, int[])[] { (9, 416, [72]), (130, 1032, [200]), (257, 512, [128, 40, 24]), (300, 640, [33, 7]), (1100, 256, [272]) })
        {
            using var scope = NewDisposeScope();
            var x = randn(rows, inWidth, device: CUDA).to(dtype);
            var parts = outWidths.Select((width, i) => Part(new LinearCase("") { Bits = bits, GroupSize = group, Symmetric = symmetric, Bias = i != 1 }.State(width, inWidth, seed: i), halfScales)).ToArray();
            var tiled = parts.Select(p => TiledWeight.Of(LinearPart.Pack(p.Weight), CUDA)).ToArray();
            var biases = parts.Select(p => p.Bias is null ? null : tensor(p.Bias, device: CUDA)).ToArray();
            var all = new WeightArguments();
            for (var i = 0; i < tiled.Length; i++)
                all.Add(tiled[i].Argument, biases[i] is { } bias ? TorchSharpExports.Address(bias) : 0);
            var expected = cat([.. parts.Select((p, i) => Product(x, p, biases[i]))], 1);
            var y = full([rows, all.Width], double.NaN, dtype, CUDA);
            WgmmaKernels.Multiply(y, x, tiled[0], all, WgmmaPlan.All[plan]);
            var error = ((y.to(ScalarType.Float64) - expected).norm() / expected.norm()).cpu().item<double>();
            Assert.True(error <= Tolerance(dtype), $"{WgmmaPlan.All[plan]}: {rows} × {inWidth} by {string.Join(", ", outWidths)}: off by {error:g3}");
            foreach (var weight in tiled)
                weight.Dispose();
        }
    }

    private static LinearState Part(LinearState state, bool halfScales)
    {
        var w = state.Weight;
        return !halfScales ? state : state with { Weight = new Generated.Quant.Weights.QuantizedWeight(w.OutWidth, w.InWidth, w.Bits, w.GroupSize, w.Codes, Array.ConvertAll(w.Scales, s => (float)(Half)s), w.Zeros, w.GroupIndex) };
    }

    private static Tensor Product(Tensor x, LinearState state, Tensor? bias)
    {
        var weight = tensor(state.Weight.Dequantize(), device: CUDA).view(state.Weight.OutWidth, state.Weight.InWidth).to(ScalarType.Float64);
        var y = x.to(ScalarType.Float64).matmul(weight.t());
        return bias is null ? y : y + bias;
    }

    // Values and results are rounded to 16 bits: each by 2⁻⁹ or 2⁻¹² at most, and less than that in the mean.
    private static double Tolerance(ScalarType dtype) => dtype == ScalarType.BFloat16 ? 3e-3 : 4e-4;
}
