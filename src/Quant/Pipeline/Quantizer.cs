using System.Diagnostics;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Generated.Architectures;
using Generated.Checkpoints;
using Generated.Checkpoints.Writing;
using Generated.Layers;
using Generated.Loading;
using Generated.Native;
using Generated.Quant.Calibration;
using Generated.Quant.Formats;
using Generated.Quant.Formats.Exchange;
using Generated.Quant.Layers;
using Generated.Quant.Recipes;
using Generated.Quant.Recipes.Files;
using static TorchSharp.torch;

namespace Generated.Quant.Pipeline;

/// <summary>
/// Quantizes checkpoints, one unit in memory at a time. A run that was interrupted goes on where it stopped when it is started again
/// with the same source, recipe and tokens, and gives the bytes that it would have given.
/// </summary>
public static class Quantizer
{
    private const string NoPerplexity =
        "Perplexity was not measured, for there are no held-out tokens: give --evaluation a file, or --calibration one with --to below 1, and --evaluation-rows above 0.";

    /// <summary>Quantizes a checkpoint folder.</summary>
    /// <param name="options">What, how, on which tokens.</param>
    /// <param name="cancellation">Stops between batches; what is done is kept for a run that goes on.</param>
    /// <exception cref="InvalidInputException">The recipe cannot be applied to the model, a file is unusable, or the target exists.</exception>
    /// <exception cref="GeneratedException">The work failed: a transform changed the function, or a file cannot be written.</exception>
    public static QuantizationReport Run(QuantizeOptions options, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(options);
        CheckSaveEvery(options);
        using var model = StreamedModel.Open(options.Source, options.Device);
        var findings = RecipeChecks.Check(options.Recipe, model.Structure, model.Architecture.Name, model.BlockCount);
        if (options.Layout is { } layout)
            RefuseLayout(layout, options.Recipe, model);
        var (calibration, heldOut) = Tokens(options, model);
        using var writer = QuantizedCheckpointWriter.Begin(Plan(options, model, calibration, heldOut));
        if (options.Recipe.Qat is not null)
            return Train(options, model, calibration, heldOut, writer, findings, cancellation);
        using var memory = UnusedMemory.ReturnAtOnce();
        var records = new UnitRecords(writer.WorkFolder);
        var store = Statistics(options, model, calibration);
        var loop = new UnitLoop(model, options.Recipe, calibration, heldOut, writer.WorkFolder, store, options.PassBegins);
        var sink = new Sink(writer, records);
        var first = First(loop, writer, records, model.BlockCount);
        loop.Run(first, sink, unit =>
        {
            options.Working?.Report(loop.Title(unit) + (first > 0 ? ", resumed" : ""));
            options.Progress?.Report((double)unit / loop.Count);
        }, cancellation);

        return Finish(options, writer, Report(options, model, calibration, heldOut, records, sink.Report!, findings) with
        {
            Statistics = store?.Remark,
            Resumption = first > 0 ? $"The run went on at {loop.Title(first)}, where an interrupted one had stopped." : Discarded(writer),
        });
    }

    private static StatisticsStore? Statistics(QuantizeOptions options, StreamedModel model, CalibrationSet? calibration)
    {
        if (options.StatisticsFolder is not { } folder)
            return null;
        if (calibration is null)
            throw new InvalidInputException("--statistics keeps what is seen of calibration tokens: give --calibration a file of text, JSONL or token ids as well.");
        return StatisticsStore.Open(folder, model, calibration, options.Calibration.TokensPerBatch, options.Device, new CalibrationNeeds(options.Recipe));
    }

    private static QuantizationReport Train(
        QuantizeOptions options, StreamedModel model, CalibrationSet? calibration, CalibrationSet? heldOut, QuantizedCheckpointWriter writer,
        IReadOnlyList<RecipeFinding> findings, CancellationToken cancellation)
    {
        if (options.StatisticsFolder is not null)
            throw new InvalidInputException($"Recipe '{options.Recipe.Name}' trains and takes no statistics: leave --statistics out.");
        if (calibration is null)
            throw new InvalidInputException($"Recipe '{options.Recipe.Name}' trains: give --calibration a file of text, JSONL or token ids to train on.");
        var outcome = new TrainedQuantizer(options, calibration, heldOut).Run(writer, cancellation);
        return Finish(options, writer, About(options, model, calibration, heldOut, findings) with
        {
            PerplexityBefore = outcome.Perplexity?.Before,
            PerplexityAfter = outcome.Perplexity?.After,
            MemoryBytesBefore = outcome.Cost.Before.Bytes(model.Weights.Dtype),
            MemoryBytesAfter = outcome.Cost.After.Bytes(model.Weights.Dtype),
            TokensPerSecondBefore = Speed([outcome.Cost.Before.Milliseconds]),
            TokensPerSecondAfter = Speed([outcome.Cost.After.Milliseconds]),
            Linears = outcome.Linears,
            Resumption = outcome.Resumption ?? Discarded(writer),
        });
    }

    private static void CheckSaveEvery(QuantizeOptions options)
    {
        if (options.SaveEvery < 0)
            throw new InvalidInputException(FormattableString.Invariant($"--save-every is {options.SaveEvery}; it has to be 0 for never, or a number of training steps."));
        if (options.SaveEvery is not null && options.Recipe.Qat is null)
            throw new InvalidInputException($"Recipe '{options.Recipe.Name}' does not train, and keeps each block that is done: leave --save-every out.");
    }

    private static string? Discarded(QuantizedCheckpointWriter writer) =>
        writer.HasDiscarded ? "What an interrupted run had left was of another source, recipe or tokens; it is not used and gone." : null;

    private static QuantizationReport Finish(QuantizeOptions options, QuantizedCheckpointWriter writer, QuantizationReport report)
    {
        options.Working?.Report("files");
        var folder = writer.Seal(options.Layout is { } layout ? (from, to) => QuantizedExport.Write(from, to, layout, overwrite: true) : null);
        report = report with { FileBytesAfter = Directory.EnumerateFiles(folder, "*.safetensors").Sum(file => new FileInfo(file).Length) };
        AtomicFile.WriteAllBytes(Path.Combine(folder, QuantizationReport.FileName), report.ToJson());
        writer.Complete();
        options.Progress?.Report(1);
        return report with { PeakResidentBytes = PeakResident() };
    }

    /// <summary>Null where the system does not say.</summary>
    private static long? PeakResident()
    {
        using var self = Process.GetCurrentProcess();
        return self.PeakWorkingSet64 is > 0 and var bytes ? bytes : null;
    }

    /// <summary>Refuses now what could not be written in a layout of other libraries after hours of work.</summary>
    private static void RefuseLayout(string layout, QuantRecipe recipe, StreamedModel model)
    {
        using var shapes = model.Architecture.Create(model.Config, new BuildOptions { Device = META });
        ExchangeRules.Check(QuantizedExport.Layout(layout), PlannedManifest.Of(recipe, shapes), ModelNames.Linears(shapes), $"What recipe '{recipe.Name}' makes of {model.Directory}");
    }

    private static (CalibrationSet? Calibration, CalibrationSet? HeldOut) Tokens(QuantizeOptions options, StreamedModel model)
    {
        var (tokenizer, problem) = ModelLoader.LoadTokenizer(options.Source, model.Vocabulary);
        CalibrationSet? calibration = null, heldOut = null;
        if (options.CalibrationFile is { } file)
        {
            (calibration, heldOut) = Open(file, options.Calibration).Read();
            // What is held out is cut down for itself: a share of what is left, not of the file.
            heldOut = heldOut is null || options.EvaluationRows == 0 ? null : Spaced(heldOut, options);
        }
        else if (options.Recipe.NeedsCalibration)
            throw new InvalidInputException($"Recipe '{options.Recipe.Name}' needs calibration tokens: give --calibration a file of text, JSONL or token ids.");
        if (options.EvaluationFile is { } evaluation && options.EvaluationRows > 0)
            heldOut = Spaced(Open(evaluation, options.Calibration with { From = 0, To = 1, MaxRows = int.MaxValue }).Read().Calibration, options);
        return (calibration, heldOut);

        CalibrationFile Open(string path, CalibrationOptions cut) => new(path, tokenizer, problem, model.Inputs, model.Vocabulary, cut);
    }

    private static CalibrationSet Spaced(CalibrationSet set, QuantizeOptions options)
    {
        // A row of one token has nothing to score.
        var rows = set.Rows.Where(row => row.Length > 1).ToList();
        var count = Math.Min(rows.Count, options.EvaluationRows);
        return new CalibrationSet([.. Enumerable.Range(0, count).Select(i => rows[(int)((long)i * rows.Count / count)])], options.Calibration.TokensPerBatch);
    }

    private static QuantizedCheckpointPlan Plan(QuantizeOptions options, StreamedModel model, CalibrationSet? calibration, CalibrationSet? heldOut) => new()
    {
        Target = options.Target,
        Overwrite = options.Overwrite,
        Source = options.Source,
        Architecture = model.Architecture,
        Config = model.Config,
        Blocks = model.BlockCount,
        DenseType = spec => model.Weights.TypeOf(spec).ToScalarType(),
        Recipe = options.Recipe,
        CalibrationHash = calibration?.Hash,
        Fingerprint = Fingerprint(options, calibration, heldOut),
    };

    /// <summary>Hash of everything that the result depends on. Files of the source count by name, size and time.</summary>
    private static string Fingerprint(QuantizeOptions options, CalibrationSet? calibration, CalibrationSet? heldOut)
    {
        var text = new StringBuilder();
        text.AppendLine(Manifest.LibraryVersion).AppendLine(options.Recipe.Name).AppendLine(RecipeFile.Hash(options.Recipe)).AppendLine(options.Device.ToString())
            .AppendLine(calibration?.Hash).AppendLine(heldOut?.Hash).AppendLine(CultureInfo.InvariantCulture, $"{options.Calibration.TokensPerBatch}");
        // Training runs over the rows as one stream, cut anew.
        if (options.Recipe.Qat is not null)
            text.AppendLine(CultureInfo.InvariantCulture, $"{options.Calibration.Window}");
        foreach (var file in new DirectoryInfo(options.Source).EnumerateFiles().OrderBy(file => file.Name, StringComparer.Ordinal))
            text.AppendLine(CultureInfo.InvariantCulture, $"{file.Name} {file.Length} {file.LastWriteTimeUtc.Ticks}");
        return Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(text.ToString())));
    }

    /// <summary>The first unit that is not done; 0 where what it runs on is gone.</summary>
    private static int First(UnitLoop loop, QuantizedCheckpointWriter writer, UnitRecords records, int blocks)
    {
        var block = Enumerable.Range(0, blocks).FirstOrDefault(i => !writer.Done.Contains(i) || records.Load(i) is null, blocks);
        return loop.CanBegin(block + 1) ? block + 1 : 0;
    }

    private static QuantizationReport Report(
        QuantizeOptions options, StreamedModel model, CalibrationSet? calibration, CalibrationSet? heldOut, UnitRecords records, EndsReport ends, IReadOnlyList<RecipeFinding> findings)
    {
        var units = Enumerable.Range(0, model.BlockCount).Select(i => records.Load(i)!).Append(new UnitRecord(ends.Linears, ends.Cost)).ToList();
        return About(options, model, calibration, heldOut, findings) with
        {
            PerplexityBefore = ends.Perplexity?.Before,
            PerplexityAfter = ends.Perplexity?.After,
            MemoryBytesBefore = units.Sum(unit => unit.Cost.Before.Bytes(model.Weights.Dtype)),
            MemoryBytesAfter = units.Sum(unit => unit.Cost.After.Bytes(model.Weights.Dtype)),
            TokensPerSecondBefore = Speed(units.Select(unit => unit.Cost.Before.Milliseconds)),
            TokensPerSecondAfter = Speed(units.Select(unit => unit.Cost.After.Milliseconds)),
            Linears = [.. units.SelectMany(unit => unit.Linears)],
        };
    }

    private static QuantizationReport About(QuantizeOptions options, StreamedModel model, CalibrationSet? calibration, CalibrationSet? heldOut, IReadOnlyList<RecipeFinding> findings) => new()
    {
        Recipe = options.Recipe.Name,
        RecipeHash = RecipeFile.Hash(options.Recipe),
        CalibrationHash = calibration?.Hash,
        CalibrationTokens = calibration?.Tokens ?? 0,
        EvaluationTokens = heldOut?.Rows.Sum(row => row.Length - 1L) ?? 0,
        FileBytesBefore = model.FileBytes,
        Linears = [],
        Notes = [.. findings.Select(finding => $"{finding.Message} ({finding.Rule})"), .. heldOut is null ? [NoPerplexity] : Array.Empty<string>()],
    };

    private static double? Speed(IEnumerable<double> milliseconds) => milliseconds.ToList() is var all && all.All(ms => ms > 0) ? 1000 / all.Sum() : null;

    /// <summary>Records of finished blocks, in files.</summary>
    private sealed class UnitRecords(string folder)
    {
        public UnitRecord? Load(int block) => UnitRecord.Load(PathOf(block));

        public void Save(int block, UnitRecord record) => AtomicFile.WriteAllBytes(PathOf(block), record.ToJson());

        private string PathOf(int block) => Path.Combine(folder, string.Create(CultureInfo.InvariantCulture, $"block.{block:00000}.json"));
    }

    /// <summary>Writes parts as they come.</summary>
    private sealed class Sink(QuantizedCheckpointWriter writer, UnitRecords records) : IUnitSink
    {
        public EndsReport? Report { get; private set; }

        public void Block(BlockUnit unit, UnitResult result, UnitCost cost)
        {
            // The record first: a part that is there counts as done.
            records.Save(unit.Block, new UnitRecord(result.Reports, cost));
            writer.WriteBlock(unit.Layers, result.KvScales, result.Linears);
        }

        public void Ends(CausalModel model, IReadOnlyDictionary<string, LinearState> states, EmbeddingState? embedding, EndsReport report)
        {
            writer.WriteEnds(model, states, embedding);
            Report = report;
        }
    }
}
