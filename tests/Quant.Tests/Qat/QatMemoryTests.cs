using Generated.Loading;
using Generated.Quant.Qat;
using Generated.Quant.Recipes;
using Generated.Tests;
using Generated.Training;
using Quant.Tests.Formats;
using TorchSharp;

namespace Quant.Tests.Qat;

/// <summary>A training that keeps its state leaves neither tensors nor memory behind. Measures the whole process, so it runs alone.</summary>
[Collection(nameof(QatMemoryTests))]
[CollectionDefinition(nameof(QatMemoryTests), DisableParallelization = true)]
public sealed class QatMemoryTests
{
    private const int Steps = 120;
    private const int First = 40;
    private static readonly int[] Tokens = [.. Enumerable.Range(0, 600).Select(i => (i * i / 7 + i % 13) % 64)];

    [SkippableFact]
    public void StepsThatAreKept_AndRunsThatGoOn_LeaveMemoryFlat()
    {
        System.Runtime.CompilerServices.RuntimeHelpers.RunModuleConstructor(typeof(Generated.Models.Llama).Module.ModuleHandle);
        using var folders = new Folders();
        using var loaded = ModelLoader.Load(Folders.Fixture("llama"), new LoadOptions { Dtype = torch.ScalarType.Float32, Trainable = true });
        var recipe = new QuantRecipe
        {
            Weights = new() { Bits = 4 },
            Activations = new(),
            Keep = ["Llama.Head"],
            Qat = new() { Weights = QatWeights.LsqPlus, Activations = QatActivations.PactMovingAverage, Steps = Steps },
        };
        var (tensors, bytes, last) = (0L, 0L, 0L);
        var runs = 0;
        while (last < Steps)
        {
            // Every run makes a few steps, each of which is kept, and ends as if it were killed.
            using var session = new QatSession(loaded.Model, recipe);
            var made = 0;
            var checkpoint = new QatCheckpoint(folders["state"], new SaveInterval(1, TimeProvider.System));
            try
            {
                session.Train(new TokenBatches(Tokens, 24, 1), step =>
                {
                    Assert.Equal(last + (made == 0 && runs > 0 ? 0 : 1), step.Step); // the last one was not kept
                    last = step.Step;
                    if (++made == 20 && last < Steps)
                        throw new OperationCanceledException();
                }, checkpoint);
            }
            catch (OperationCanceledException)
            {
            }

            runs++;
            session.Dispose();
            foreach (var parameter in loaded.Model.Parameters())
            {
                using var gradient = parameter.Value.grad;
                gradient?.zero_();
            }

            if (tensors == 0 && last >= First)
                (tensors, bytes) = (Living(), NativeHeap.BytesInUse());
        }

        Assert.True(runs > 5, $"{runs} runs");
        Assert.Equal(tensors, Living());
        // The state has 2.2 MB: keeping one a step would be 176 MB. The runtime itself moves by a few MB either way.
        Assert.InRange(NativeHeap.BytesInUse() - bytes, long.MinValue, 16 << 20);
    }

    private static long Living()
    {
        for (var i = 0; i < 3; i++)
        {
            GC.Collect();
            GC.WaitForPendingFinalizers();
        }

        return torch.Tensor.TotalCount;
    }
}
