using Generated;
using Generated.Loading;
using Generated.Passes;
using Generated.Quant.Calibration;
using Generated.Quant.Formats;
using Generated.Quant.Pipeline;
using Generated.Quant.Recipes;
using Generated.Training;
using TorchSharp;

namespace Quant.Tests.Pipeline;

/// <summary>Recipes that train, through the code of <c>generated quantize</c>.</summary>
public sealed class TrainedTests
{
    private static readonly QuantRecipe Recipe = new()
    {
        Name = "trained",
        Weights = new() { Bits = 4 },
        Qat = new() { Weights = QatWeights.LsqPlus, Steps = 60, LearningRate = 2e-3 },
        Keep = ["Llama.Head"],
    };

    static TrainedTests() => System.Runtime.CompilerServices.RuntimeHelpers.RunModuleConstructor(typeof(Generated.Models.Llama).Module.ModuleHandle);

    [Fact]
    public void Training_BeatsRounding_AndTheFilesGiveTheReportedPerplexity()
    {
        using var folder = new TemporaryFolder();
        var calibration = Fixtures.Calibration("llama", folder, count: 40);
        var trained = Quantizer.Run(Options(folder["trained"], calibration, Recipe));
        var rounded = Quantizer.Run(Options(folder["rounded"], calibration, Recipe with { Qat = null }));
        Assert.Equal(21, trained.Linears.Count);
        Assert.All(trained.Linears, linear => Assert.Equal("qat", linear.Method));
        Assert.True(trained.PerplexityAfter < rounded.PerplexityAfter, $"{trained.PerplexityAfter} against {rounded.PerplexityAfter}");
        Assert.True(trained.MemoryBytesAfter < trained.MemoryBytesBefore);
        Assert.True(trained is { TokensPerSecondBefore: > 0, TokensPerSecondAfter: > 0 });

        using var loaded = QuantizedLoader.Load(folder["trained"], new LoadOptions { Dtype = torch.ScalarType.Float32 });
        Assert.Equal(trained.PerplexityAfter!.Value, Perplexity(loaded, Fixtures.Rows("llama", 40)[20..]), 1e-3 * trained.PerplexityAfter.Value);
    }

    [Fact]
    public void Training_WithWhatItDoesNotCarryOut_IsRefused()
    {
        using var folder = new TemporaryFolder();
        var calibration = Fixtures.Calibration("llama", folder, count: 4);
        var refusal = Assert.Throws<InvalidInputException>(() => Quantizer.Run(Options(folder["q"], calibration, Recipe with { Smooth = new() })));
        Assert.Contains("Smooth", refusal.Message);
        Assert.False(Directory.Exists(folder["q"]));
        Assert.Contains("--calibration", Assert.Throws<InvalidInputException>(() => Quantizer.Run(Options(folder["q"], null, Recipe))).Message);
    }

    private static QuantizeOptions Options(string target, string? calibration, QuantRecipe recipe) => new()
    {
        Source = Stories.Fixture("llama"),
        Target = target,
        Recipe = recipe,
        CalibrationFile = calibration,
        Calibration = new CalibrationOptions { To = 0.5 },
    };

    private static double Perplexity(LoadedModel loaded, int[][] rows)
    {
        using var noGrad = torch.no_grad();
        var losses = rows.Select(row =>
        {
            using var loss = Trainer.Loss(loaded.Model, TokenBatch.LeftPadded([row], 0), training: false);
            return (Sum: loss.item<float>() * (row.Length - 1.0), Count: row.Length - 1);
        }).ToList();
        return Math.Exp(losses.Sum(l => l.Sum) / losses.Sum(l => l.Count));
    }
}
