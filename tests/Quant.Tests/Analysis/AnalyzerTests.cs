using System.Text.Json;
using Generated;
using Generated.Architectures;
using Generated.Layers;
using Generated.Loading;
using Generated.Quant.Analysis;
using Generated.Quant.Calibration;
using Generated.Quant.Layers;
using Generated.Quant.Pipeline;
using Generated.Quant.Recipes;
using Generated.Quant.Recipes.Files;
using Quant.Tests.Formats;
using TorchSharp;
using static TorchSharp.torch;

namespace Quant.Tests.Analysis;

/// <summary>Whole analyses of a small model with one fragile layer, whose name is known.</summary>
public sealed class AnalyzerTests : IDisposable
{
    private static readonly CalibrationOptions Half = new() { To = 0.5, TokensPerBatch = 96 };

    private readonly Folders _folders = new();

    static AnalyzerTests()
    {
        System.Runtime.CompilerServices.RuntimeHelpers.RunModuleConstructor(typeof(Generated.Models.Llama).Module.ModuleHandle);
        Generated.Quant.Formats.QuantizedLoader.Register();
    }

    public AnalyzerTests()
    {
        FragileModel.Write(_folders["model"]);
        FragileModel.WriteTokens(_folders["tokens.jsonl"]);
    }

    public void Dispose() => _folders.Dispose();

    [Theory]
    [InlineData(AnalysisDirection.Quantize)]
    [InlineData(AnalysisDirection.Unquantize)]
    [InlineData(AnalysisDirection.Both)]
    public void Sensitivity_OneFragileLayer_ComesFirst(AnalysisDirection direction)
    {
        var report = Analyzer.Run(Options("w8a8") with { Metric = AnalysisMetric.Mse, Direction = direction });
        Assert.Equal(FragileModel.Layer, report.Layers[0].Layer);
        Assert.Equal(22, report.Layers.Count); // 3 blocks of 7, and the head
        Assert.Equal(report.Layers.OrderByDescending(layer => layer.Harm), report.Layers);
        Assert.Equal(FragileModel.Layer, report.Layers.MinBy(layer => layer.Snr)!.Layer);
        Assert.All(report.Layers, layer => Assert.Equal(direction != AnalysisDirection.Unquantize, layer.MetricAlone is not null));
        Assert.All(report.Layers, layer => Assert.Equal(direction != AnalysisDirection.Quantize, layer.MetricWithout is not null));
        Assert.Equal(0, report.MetricBefore);
        Assert.True(report.Layers[0].Harm > 4 * report.Layers[1].Harm, "a layer that stands out");
    }

    [Fact]
    public void Perplexity_OfTheExactModel_IsThatOfThePlainFormula()
    {
        var report = Analyzer.Run(Options("w8") with { MetricRows = 3 });
        using var exact = ModelLoader.Load(_folders["model"], new LoadOptions { Dtype = ScalarType.Float32 });
        var (_, heldOut) = new CalibrationFile(_folders["tokens.jsonl"], null, null, exact.Model.Inputs, 320, Half).Read();
        int[][] rows = [heldOut!.Rows[0], heldOut.Rows[1], heldOut.Rows[3]]; // 3 of 5, evenly spaced
        var nll = rows.SelectMany(row => Logits(exact.Model, row).Chunk(320).Zip(row.Skip(1), (logits, next) =>
            Math.Log(logits.Sum(l => Math.Exp((double)l - logits.Max()))) + logits.Max() - logits[next])).ToList();
        Assert.Equal(nll.Count, report.MetricTokens);
        Assert.Equal(Math.Exp(nll.Average()), report.MetricBefore, report.MetricBefore * 1e-5);
        Assert.All(report.Layers, layer => Assert.Equal(layer.MetricAlone!.Value - report.MetricBefore, layer.Harm));
    }

    [Fact]
    public void Search_Target_IsReachedByKeepingTheFragileLayer_AndQuantizeTakesTheRecipe()
    {
        var first = Analyzer.Run(Options("w8a8") with { Direction = AnalysisDirection.Unquantize, Metric = AnalysisMetric.Mse });
        var target = Math.Sqrt(first.MetricAfter * first.Layers[0].MetricWithout!.Value);
        var report = Analyzer.Run(Options("w8a8") with { Direction = AnalysisDirection.Unquantize, Metric = AnalysisMetric.Mse, Target = target });
        Assert.True(report.Search!.IsReached);
        Assert.Equal([null, FragileModel.Layer], report.Search.Steps.Select(step => step.Layer));
        Assert.True(report.Search.Steps[1].Metric <= target);

        var recipe = RecipeFile.Load(_folders["out/recipe.json"]);
        Assert.Equal([new LayerOverride(FragileModel.Layer) { Keep = true }], recipe.Overrides);
        Quantizer.Run(new QuantizeOptions { Source = _folders["model"], Target = _folders["quantized"], Recipe = recipe, CalibrationFile = _folders["tokens.jsonl"], Calibration = Half, EvaluationRows = 0 });
        using var exact = ModelLoader.Load(_folders["model"], new LoadOptions { Dtype = ScalarType.Float32 });
        using var quantized = ModelLoader.Load(_folders["quantized"], new LoadOptions { Dtype = ScalarType.Float32 });
        Assert.Equal([FragileModel.Layer], quantized.Model.Linears().Where(slot => slot.Linear is not QuantizedLinear).Select(slot => LayerTrials.Id(slot.Path, slot.Block)));

        // What the search promised is what the files compute, by plain formulas on the same rows.
        var (_, heldOut) = new CalibrationFile(_folders["tokens.jsonl"], null, null, exact.Model.Inputs, 320, Half).Read();
        var errors = heldOut!.Rows.Take(5).SelectMany(row => Logits(exact.Model, row).Zip(Logits(quantized.Model, row), (a, b) => ((double)a - b) * (a - b)));
        Assert.Equal(report.Search.Steps[1].Metric, errors.Average(), report.Search.Steps[1].Metric * 1e-4);
    }

    [Fact]
    public void Search_TargetThatOnlyFloatsReach_SaysSoAndWritesNoRecipe()
    {
        var report = Analyzer.Run(Options("w8") with { Metric = AnalysisMetric.Mse, Target = 0 });
        Assert.False(report.Search!.IsReached);
        Assert.Equal(report.Layers.Count, report.Search.Steps.Count); // one layer stayed quantized to the end
        Assert.False(File.Exists(_folders["out/recipe.json"]));
        var below = Assert.Throws<InvalidInputException>(() => Analyzer.Run(Options("w8") with { Target = 1.5 }));
        Assert.Contains("float32", below.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Run_StoppedAndStartedAgain_MeasuresOnlyWhatIsMissing()
    {
        using var stop = new CancellationTokenSource();
        var trials = 0;
        var stopped = Options("w8") with
        {
            // Measurements come after the first 15 %, one report each.
            Progress = new Reaction(done =>
            {
                if (done > 0.15 && ++trials == 6)
                    stop.Cancel();
            }),
        };
        Assert.Throws<OperationCanceledException>(() => Analyzer.Run(stopped, stop.Token));
        Assert.False(File.Exists(_folders["out/report.html"]));
        var file = Directory.GetFiles(_folders["out"], "measurements.*.jsonl").Single();
        var lines = File.ReadAllLines(file);
        Assert.Equal(6, lines.Length);

        // A value that no measurement gives shows that it was taken over; half a line is what a killed process leaves.
        lines[5] = JsonSerializer.Serialize(new { kind = "only", layers = JsonDocument.Parse(lines[5]).RootElement.GetProperty("layers"), metric = 1e6 });
        File.WriteAllText(file, string.Join('\n', lines) + "\n{\"kind\":\"only\",\"lay");
        var report = Analyzer.Run(Options("w8"));
        Assert.Equal(1e6, report.Layers[0].MetricAlone);
        Assert.Equal(lines, File.ReadAllLines(file)[..lines.Length]);
        Assert.Equal(2 + report.Layers.Count, File.ReadAllLines(file).Length);
        Assert.False(Directory.Exists(_folders["out/work"]));

        // Another question gets a file of its own.
        Analyzer.Run(Options("w8") with { MetricRows = 1 });
        Assert.Equal(2, Directory.EnumerateFiles(_folders["out"], "measurements.*.jsonl").Count());
    }

    [Fact]
    public void Run_SmoothedRecipe_KeepsTheFunctionWithEveryLayerExact()
    {
        var plain = Analyzer.Run(Options("w8a8"));
        var smooth = Analyzer.Run(Options("w8a8-smooth-all") with { Folder = _folders["smooth"] });
        Assert.Equal(plain.MetricBefore, smooth.MetricBefore, plain.MetricBefore * 1e-4);
        var (before, after) = (plain.Layers.Single(l => l.Layer == FragileModel.Layer), smooth.Layers.Single(l => l.Layer == FragileModel.Layer));
        Assert.True(after.Snr > before.Snr + 6, $"{after.Snr} dB behind smoothing, {before.Snr} dB without");
    }

    [Fact]
    public void Run_UnusableInput_IsRefused()
    {
        Refused(Options("kv8"), "no linear");
        Refused(Options("w8") with { Calibration = new CalibrationOptions { To = 1 } }, "--to 1");
        Refused(Options("w8") with { MetricRows = 0 }, "--metric-rows");
        Refused(Options("w8") with { Target = double.NaN }, "--target");
        Refused(Options("w8") with { Recipe = NamedRecipes.Get("w8") with { Qat = new() } }, "Qat");
        Quantizer.Run(new QuantizeOptions { Source = _folders["model"], Target = _folders["quantized"], Recipe = NamedRecipes.Get("w8") });
        Refused(Options("w8") with { Source = _folders["quantized"] }, "quantized already");
    }

    private static void Refused(AnalysisOptions options, string part) =>
        Assert.Contains(part, Assert.Throws<InvalidInputException>(() => Analyzer.Run(options)).Message, StringComparison.Ordinal);

    private static float[] Logits(CausalModel model, int[] row)
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        using var pass = new Generated.Passes.PassContext(model.Inputs.Prompt(Generated.Passes.TokenBatch.LeftPadded([row], 0)));
        return model.Full(tensor(row.Select(id => (long)id).ToArray()).view(1, -1), pass).data<float>().ToArray();
    }

    private AnalysisOptions Options(string recipe) => new()
    {
        Source = _folders["model"],
        Recipe = NamedRecipes.Get(recipe),
        TextFile = _folders["tokens.jsonl"],
        Calibration = Half,
        Folder = _folders["out"],
    };

    private sealed class Reaction(Action<double> react) : IProgress<double>
    {
        public void Report(double value) => react(value);
    }
}
