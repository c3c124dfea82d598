using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Generated.Architectures;
using Generated.Checkpoints.Writing;
using Generated.Configuration;
using Generated.Layers;
using Generated.Loading;
using Generated.Quant.Analysis.Reports;
using Generated.Quant.Calibration;
using Generated.Quant.Formats;
using Generated.Quant.Layers;
using Generated.Quant.Recipes;
using Generated.Quant.Recipes.Files;
using TorchSharp;
using static TorchSharp.torch;

namespace Generated.Quant.Analysis;

/// <summary>
/// Finds out what a recipe does to each layer of a model: the error of its output, the harm to a metric, its values before and after; and
/// which layers a recipe has to leave alone for a metric to hold. The model is in memory as a whole, exact and quantized.
/// </summary>
public static class Analyzer
{
    /// <summary>The recipe that a search found, in the folder of the report.</summary>
    public const string RecipeFileName = "recipe.json";

    /// <summary>Share of the time that comes before the first measurement, roughly.</summary>
    private const double PreparingShare = 0.15;

    /// <summary>Analyzes a checkpoint and writes the report's folder.</summary>
    /// <param name="options">What, how, on which tokens.</param>
    /// <param name="cancellation">Stops between batches; measurements are kept for a run that goes on.</param>
    /// <exception cref="InvalidInputException">The recipe cannot be applied to the model or quantizes no linear, or a file is unusable.</exception>
    /// <exception cref="GeneratedException">The folder cannot be written, or a transform changed the model's function.</exception>
    public static AnalysisReport Run(AnalysisOptions options, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(options);
        var config = ConfigReader.Load(options.Source);
        ModelLoader.ReadConfig(config); // refuses what is quantized already
        using var loaded = ModelLoader.Load(options.Source, new LoadOptions { Dtype = ScalarType.Float32, Device = options.Device }, cancellation);
        var model = loaded.Model;
        var findings = RecipeChecks.Check(options.Recipe, model.Structure, loaded.Architecture.Name, model.AllBlocks.Count);
        var (recipe, notes) = Analyzable(options.Recipe, model);
        notes.AddRange(findings.Select(finding => $"{finding.Message} ({finding.Rule})"));
        if (options.Plots && !AnalysisPlots.HasFonts)
            notes.Add("The system has no fonts: plots are without words. Install some, such as fonts-dejavu-core, and run again.");
        var (calibration, heldOut) = Tokens(options, loaded);

        using var folder = new ReportFolder(options.Folder);
        using var log = MeasurementLog.Open(options.Folder, Fingerprint(options, calibration, heldOut));
        options.Progress?.Report(0);
        var before = Before(model, recipe, calibration, cancellation);
        using var switches = SwitchableModel.Quantize(model, recipe, calibration, folder.Work, done => options.Progress?.Report(done * PreparingShare), cancellation);
        using var metric = new ModelMetric(model, heldOut, options.Metric, folder.Work, cancellation);
        var statistics = After(model, switches, before, calibration, cancellation);

        var progress = new TrialProgress(options, switches.Layers.Count);
        var trials = new LayerTrials(switches.Layers, metric.Measure, log) { Done = progress.Step };
        var exact = trials.Only();
        if (exact > options.Target)
            throw new InvalidInputException(FormattableString.Invariant($"--target {options.Target} is below the {MetricWords.Name(options.Metric)} of the model in float32, {exact:g6}; no choice of layers reaches it."));
        var all = trials.Except();
        var ranked = Rank(trials, options.Direction, exact, all);
        var search = options.Target is { } target ? GreedySearch.Run(trials, [.. ranked.Select(r => r.Layer)], target) : null;
        var report = new AnalysisReport
        {
            Model = Path.GetFileName(Path.TrimEndingDirectorySeparator(Path.GetFullPath(options.Source))),
            Recipe = options.Recipe.Name,
            RecipeHash = RecipeFile.Hash(options.Recipe),
            CalibrationTokens = calibration.Tokens,
            Metric = options.Metric,
            MetricTokens = metric.Tokens,
            MetricBefore = exact,
            MetricAfter = all,
            Layers = [.. ranked.Select(r => r.Analysis)],
            Search = search,
            Notes = notes,
        };
        folder.Write(report, options.Recipe, search is null ? null : GreedySearch.Recipe(options.Recipe, search), statistics, options.Plots);
        options.Progress?.Report(1);
        return report;
    }

    /// <summary>The part of a recipe that is about linears.</summary>
    private static (QuantRecipe Recipe, List<string> Notes) Analyzable(QuantRecipe recipe, CausalModel model)
    {
        if (recipe.Qat is not null)
            throw new InvalidInputException($"Recipe '{recipe.Name}' trains (Qat); analyze carries out what needs no training. Leave it out.");
        if (!Quantized(model, recipe).Any())
            throw new InvalidInputException($"Recipe '{recipe.Name}' quantizes no linear of this model; there is nothing to compare.");
        var notes = new List<string>();
        if (recipe.KvCache is not null)
            notes.Add("Keys and values stay in floating point here: the analysis is about linears.");
        if (recipe.Embedding is not null)
            notes.Add("The embedding stays in floating point here: the analysis is about linears.");
        return (recipe with { KvCache = null, Embedding = null }, notes);
    }

    private static IEnumerable<(LinearSlot Slot, string Site)> Quantized(CausalModel model, QuantRecipe recipe) =>
        from slot in model.Linears()
        let info = model.Structure.Linear(slot.Path)
        where !recipe.Choice(info, slot.Block).IsKept
        select (slot, info.Site);

    private static (CalibrationSet Calibration, CalibrationSet HeldOut) Tokens(AnalysisOptions options, LoadedModel loaded)
    {
        if (options.MetricRows < 1)
            throw new InvalidInputException($"--metric-rows is {options.MetricRows}; it has to be at least 1.");
        if (options.Target is { } target && !double.IsFinite(target))
            throw new InvalidInputException("--target has to be a number.");
        var file = new CalibrationFile(options.TextFile, loaded.Tokenizer, loaded.TokenizerProblem, loaded.Model.Inputs, loaded.Model.Vocabulary(), options.Calibration);
        var (calibration, rest) = file.Read();
        // A row of one token has nothing to score.
        var rows = rest?.Rows.Where(row => row.Length > 1).ToList() ?? [];
        if (rows.Count == 0)
            throw new InvalidInputException(FormattableString.Invariant($"{options.TextFile} has no row behind --to {options.Calibration.To} to measure on; lower --to, or give a longer file."));
        var count = Math.Min(rows.Count, options.MetricRows);
        return (calibration, new CalibrationSet([.. Enumerable.Range(0, count).Select(i => rows[(int)((long)i * rows.Count / count)])], options.Calibration.TokensPerBatch));
    }

    /// <summary>Hash of everything that a measurement depends on. Files of the source count by name, size and time.</summary>
    private static string Fingerprint(AnalysisOptions options, CalibrationSet calibration, CalibrationSet heldOut)
    {
        var text = new StringBuilder();
        text.AppendLine(Manifest.LibraryVersion).AppendLine(RecipeFile.Hash(options.Recipe)).AppendLine(options.Metric.ToString()).AppendLine(options.Device.ToString())
            .AppendLine(calibration.Hash).AppendLine(heldOut.Hash).AppendLine(CultureInfo.InvariantCulture, $"{options.Calibration.TokensPerBatch}");
        foreach (var file in new DirectoryInfo(options.Source).EnumerateFiles().OrderBy(file => file.Name, StringComparer.Ordinal))
            text.AppendLine(CultureInfo.InvariantCulture, $"{file.Name} {file.Length} {file.LastWriteTimeUtc.Ticks}");
        return Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(text.ToString())));
    }

    private static Dictionary<string, (string Site, ValueSummary Weight, ValueSummary Input)> Before(
        CausalModel model, QuantRecipe recipe, CalibrationSet calibration, CancellationToken cancellation)
    {
        var layers = Quantized(model, recipe).ToList();
        var sites = layers.Select(layer => (layer.Slot.Block, layer.Site)).Distinct().ToDictionary(site => site, _ => (LinearState?)null);
        using var inputs = InputStatistics.Gather(model, calibration, sites, cancellation);
        return layers.ToDictionary(
            layer => LayerTrials.Id(layer.Slot.Path, layer.Slot.Block),
            layer => (layer.Site, LayerValues.OfWeight(layer.Slot.Linear), inputs.Of(layer.Slot.Block, layer.Site)));
    }

    private static List<LayerStatistics> After(
        CausalModel model, SwitchableModel switches, Dictionary<string, (string Site, ValueSummary Weight, ValueSummary Input)> before, CalibrationSet calibration, CancellationToken cancellation)
    {
        // Linears of one site share an input and with it its rounding.
        var sites = switches.Layers.GroupBy(layer => (layer.Block, before[layer.Id].Site)).ToDictionary(site => site.Key, site => (LinearState?)site.First().State);
        using var inputs = InputStatistics.Gather(model, calibration, sites, cancellation);
        return [.. switches.Layers.Select(layer =>
        {
            var (site, weight, input) = before[layer.Id];
            return new LayerStatistics(layer.Id, new BeforeAfter(weight, LayerValues.OfWeight(layer.Quantized)), new BeforeAfter(input, inputs.Of(layer.Block, site)));
        })];
    }

    /// <summary>Measures every layer and puts the most sensitive first; of equally sensitive ones the one with the noisier output.</summary>
    private static List<(LayerSwitch Layer, LayerAnalysis Analysis)> Rank(LayerTrials trials, AnalysisDirection direction, double exact, double all)
    {
        var found = trials.Layers.Select(layer =>
        {
            var alone = direction == AnalysisDirection.Unquantize ? (double?)null : trials.Only(layer);
            var without = direction == AnalysisDirection.Quantize ? (double?)null : trials.Except(layer);
            return (Layer: layer, Analysis: new LayerAnalysis(layer.Id, layer.Report.Name)
            {
                Harm = Harm(alone is { } only ? only - exact : all - without!.Value),
                MetricAlone = alone,
                MetricWithout = without,
                Mse = layer.Report.Mse,
                Snr = layer.Report.Snr,
                Cosine = layer.Report.Cosine,
            });
        });
        return [.. found.ToList().OrderByDescending(f => f.Analysis.Harm).ThenBy(f => f.Analysis.Snr)];
    }

    /// <summary>Of two models that both compute no numbers none is worse.</summary>
    private static double Harm(double difference) => double.IsNaN(difference) ? 0 : difference;

    private sealed class TrialProgress(AnalysisOptions options, int layers)
    {
        private readonly double _trials = 2 + layers * (options.Direction == AnalysisDirection.Both ? 2 : 1) + (options.Target is null ? 0 : layers / 4.0);
        private int _done;

        public void Step() => options.Progress?.Report(PreparingShare + (1 - PreparingShare) * Math.Min(++_done / _trials, 0.99));
    }
}
