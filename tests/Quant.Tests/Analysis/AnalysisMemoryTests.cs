using Generated.Quant.Analysis;
using Generated.Quant.Calibration;
using Generated.Quant.Recipes;
using Generated.Tests;
using Quant.Tests.Formats;
using TorchSharp;

namespace Quant.Tests.Analysis;

/// <summary>An analysis leaves no tensor and no memory behind: neither the form of a layer that is not in the model nor what trials compute.</summary>
[Collection(nameof(AnalysisMemoryTests))]
[CollectionDefinition(nameof(AnalysisMemoryTests), DisableParallelization = true)]
public sealed class AnalysisMemoryTests
{
    private const int Runs = 50;

    [SkippableTheory]
    [InlineData("w8a8-smooth-all")]
    [InlineData("w4-gptq")]
    public void RepeatedRuns_LeaveMemoryFlat(string recipe)
    {
        System.Runtime.CompilerServices.RuntimeHelpers.RunModuleConstructor(typeof(Generated.Models.Llama).Module.ModuleHandle);
        using var folders = new Folders();
        FragileModel.WriteTokens(folders["tokens.jsonl"], rows: 4);
        Run(0); // kernels, registries
        var (tensors, bytes) = (Tensors(), NativeHeap.BytesInUse());
        for (var number = 1; number <= Runs; number++)
            Run(number);
        Assert.Equal(tensors, Tensors());
        // Keeping a model of 0.6 MB in each run would be 30 MB. The runtime itself moves by a few MB either way.
        Assert.InRange(NativeHeap.BytesInUse() - bytes, long.MinValue, 16 << 20);

        void Run(int number) => Analyzer.Run(new AnalysisOptions
        {
            Source = Folders.Fixture("llama"),
            Recipe = NamedRecipes.Get(recipe, 32),
            TextFile = folders["tokens.jsonl"],
            Calibration = new CalibrationOptions { To = 0.5 },
            Metric = AnalysisMetric.Mse,
            MetricRows = 1,
            Target = 0,
            Folder = folders[FormattableString.Invariant($"out{number}")],
        });
    }

    private static long Tensors()
    {
        for (var i = 0; i < 3; i++)
        {
            GC.Collect();
            GC.WaitForPendingFinalizers();
        }

        return torch.Tensor.TotalCount;
    }
}
