using Generated.Layers;
using Generated.Loading;
using Generated.Passes;
using Generated.Tests;
using TorchSharp;
using static TorchSharp.torch;

namespace Models.Tests;

/// <summary>Long runs leave native memory as it was: no tensor is left behind, and the process does not grow.</summary>
[Collection(nameof(MemoryTests))]
[CollectionDefinition(nameof(MemoryTests), DisableParallelization = true)]
public sealed class MemoryTests
{
    // The runtime itself (compiled code, handles) moves by a few MB either way.
    private const long AllowedGrowth = 12L << 20;

    static MemoryTests() => System.Runtime.CompilerServices.RuntimeHelpers.RunModuleConstructor(typeof(Generated.Models.Llama).Module.ModuleHandle);

    [SkippableFact]
    public void TenThousandDecodeSteps_LeaveNativeMemoryFlat()
    {
        using var loaded = ModelLoader.Load(Fixtures.Folder("llama"), new LoadOptions { Dtype = ScalarType.Float32 });
        Steps(500);
        var (tensors, bytes) = Now();
        Steps(10_000);
        var (tensorsAfter, bytesAfter) = Now();
        Assert.Equal(tensors, tensorsAfter);
        Assert.True(bytesAfter - bytes < AllowedGrowth, $"{(bytesAfter - bytes) >> 20} MiB more after 10,000 steps");

        void Steps(int count)
        {
            const int Sequence = 250;
            using var noGrad = no_grad();
            using var cache = loaded.Model.NewCache(1, Sequence + 4);
            using var next = ones([1, 1], ScalarType.Int64);
            for (var done = 0; done < count; done += Sequence)
            {
                var inputs = loaded.Model.Inputs.Prompt(new TokenBatch(1, 4, [1, 5, 9, 13]));
                using (var prompt = tensor(new long[] { 1, 5, 9, 13 }).view(1, 4))
                using (var pass = new PassContext(inputs, cache))
                    loaded.Model.Prefill(prompt, pass).Dispose();
                for (var i = 0; i < Sequence; i++)
                {
                    inputs = loaded.Model.Inputs.Continue(inputs);
                    using var pass = new PassContext(inputs, cache);
                    loaded.Model.Decode(next, pass).Dispose();
                }
            }
        }
    }

    [SkippableFact]
    public void AThousandLoads_LeaveNativeMemoryFlat()
    {
        Load(50);
        var (tensors, bytes) = Now();
        Load(1_000);
        var (tensorsAfter, bytesAfter) = Now();
        Assert.Equal(tensors, tensorsAfter);
        // 1,000 copies of the weights would be 730 MB.
        Assert.True(bytesAfter - bytes < AllowedGrowth, $"{(bytesAfter - bytes) >> 20} MiB more after 1,000 loads");

        static void Load(int count)
        {
            for (var i = 0; i < count; i++) ModelLoader.Load(Fixtures.Folder("llama")).Dispose();
        }
    }

    private static (long Tensors, long Bytes) Now()
    {
        var bytes = NativeHeap.BytesInUse();
        return (torch.Tensor.TotalCount, bytes);
    }
}
