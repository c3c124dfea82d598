using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using Generated.Quant.Formats.Exchange;
using Generated.Quant.Pipeline;
using Generated.Quant.Recipes.Files;
using Spectre.Console;

namespace Generated.Cli.Commands;

/// <summary><c>generated quantize</c>: a checkpoint in fewer bits.</summary>
internal static class QuantizeCommand
{
    private const int ListedLinears = 5;
    private const string Own = "own";

    public static Command Create(Terminal terminal)
    {
        var shared = new RecipeOptions("Share of its rows to stop at; the rest is for the report.", "Most rows, evenly spaced.", 512);
        var source = new Argument<string>("source") { Description = "Checkpoint folder." };
        var target = new Argument<string>("target") { Description = "Folder to write." };
        var calibration = new Option<string?>("--calibration") { Description = "Text, JSONL (text, src and tgt, or ids) or safetensors (input_ids).", HelpName = "file" };
        var pack = new Option<bool>("--pack") { Description = "Joins the documents of a JSONL file before they are cut." };
        var evaluation = new Option<string?>("--evaluation") { Description = "Another file for the report's perplexity.", HelpName = "file" };
        var evaluated = new Option<int>("--evaluation-rows") { Description = "Most rows of it; 0 for no perplexity.", DefaultValueFactory = _ => 64, HelpName = "n" };
        var statistics = new Option<string?>("--statistics") { Description = "Folder that keeps statistics of the model on these tokens for other recipes, and gives them again.", HelpName = "folder" };
        var set = new Option<string[]>("--set") { Description = "Changes an option of the recipe, by its key in a file; may be repeated.", HelpName = "key=value" };
        var ranks = new Option<int>("--tp") { Description = "Tensor-parallel degree that the result has to run at.", DefaultValueFactory = _ => 1, HelpName = "n" };
        var format = new Option<string>("--format") { Description = "own, or for other libraries gptq or awq, which have weights only.", DefaultValueFactory = _ => Own };
        format.AcceptOnlyFromAmong([Own, .. QuantizedExport.Layouts]);
        var strict = new Option<bool>("--strict") { Description = "Fails where the result is larger or slower than before." };
        var saveEvery = new Option<int?>("--save-every") { Description = "Training steps between states that a run which was interrupted goes on from; 0 for none. Default: by time, less than a twentieth of it.", HelpName = "n" };
        var overwrite = new Option<bool>("--overwrite") { Description = "Replaces a checkpoint folder that exists." };
        var command = new Command("quantize", "Quantizes a checkpoint, one block in memory at a time (all of it, with gradients, where the recipe trains). Started again after an interruption, it goes on where it stopped.")
        {
            source, target,
        };
        shared.AddTo(command, calibration, pack, evaluation, evaluated, statistics, set, ranks, format, saveEvery, strict, overwrite);
        command.SetAction((parse, cancellation) => OffThread.Run(() =>
        {
            var options = new QuantizeOptions
            {
                Source = parse.GetRequiredValue(source),
                Target = TargetFolder.Check(parse.GetRequiredValue(target), parse.GetRequiredValue(source), parse.GetValue(overwrite)),
                Recipe = (parse.GetValue(set) ?? []).Aggregate(shared.Recipe(parse, terminal), RecipeEdit.Set) is var chosen && parse.GetValue(ranks) > 1
                    ? chosen with { TensorParallel = parse.GetValue(ranks) }
                    : chosen,
                CalibrationFile = parse.GetValue(calibration),
                Calibration = shared.Calibration(parse) with { Pack = parse.GetValue(pack) },
                EvaluationFile = parse.GetValue(evaluation),
                EvaluationRows = parse.GetValue(evaluated),
                Device = shared.Device(parse),
                StatisticsFolder = parse.GetValue(statistics),
                Layout = parse.GetRequiredValue(format) is var layout && layout == Own ? null : layout,
                SaveEvery = parse.GetValue(saveEvery),
                Overwrite = parse.GetValue(overwrite),
            };
            var report = terminal.WithProgress($"Quantizing {Path.GetFileName(Path.TrimEndingDirectorySeparator(options.Source))}", (progress, working) =>
                Quantizer.Run(options with { Progress = progress, Working = working }, cancellation));
            if (parse.GetValue(shared.Json))
                WriteJson(terminal, options, report);
            else
                WriteText(terminal, options, report);
            return Judge(terminal, report, parse.GetValue(strict));
        }));
        return Help.WithExamples(command,
            "quantize ./llama ./llama-w8a8 --recipe w8a8-smooth --calibration wiki.train.txt",
            "quantize ./llama ./llama-w4 --recipe w4-smooth-gptq --calibration chats.jsonl --to 1 --evaluation wiki.test.txt --strict",
            "quantize ./llama ./llama-w8a8 --recipe w8a8-smooth --set smooth.search=alpha --set keep=[\"Llama.Head\"] --calibration wiki.train.txt",
            "quantize ./llama ./llama-w4 --recipe w4-awq --calibration wiki.train.txt --statistics ./llama-statistics",
            "quantize ./llama ./llama-w4 --recipe w8 --set weights.bits=4 --set 'qat={\"weights\":\"lsq_plus\"}' --calibration wiki.train.txt",
            "quantize ./llama ./llama-gptq --recipe w4-gptq --calibration wiki.train.txt --format gptq",
            "quantize ./llama ./llama-mine --recipe mine.json --calibration tokens.safetensors --device cuda --json");
    }

    /// <summary>Warns of what is worse than before; the exit code says so where strictness is asked for.</summary>
    internal static int Judge(Terminal terminal, QuantizationReport report, bool isStrict)
    {
        foreach (var warning in report.Warnings)
            terminal.Error.WriteLine("warning: " + warning);
        return isStrict && report.Warnings.Count > 0 ? CommandLine.Failed : CommandLine.Success;
    }

    private static void WriteText(Terminal terminal, QuantizeOptions options, QuantizationReport report)
    {
        var output = terminal.Output;
        output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{options.Target}: {report.Linears.Count} linears by recipe {report.Recipe}, calibrated on {report.CalibrationTokens} tokens"));
        var table = new Table().Border(TableBorder.Simple).AddColumns("", "before", "after");
        Row("perplexity", report.PerplexityBefore, report.PerplexityAfter, value => value.ToString("0.0000", CultureInfo.InvariantCulture));
        Row("files", report.FileBytesBefore, report.FileBytesAfter, Terminal.Bytes);
        Row("weights in memory", report.MemoryBytesBefore, report.MemoryBytesAfter, Terminal.Bytes);
        Row("tokens/s (float32)", report.TokensPerSecondBefore, report.TokensPerSecondAfter, value => value.ToString("0.0", CultureInfo.InvariantCulture));
        terminal.Console.Write(table);
        if (report.PeakResidentBytes is { } peak)
            output.WriteLine($"This run's process had at most {Terminal.Bytes(peak)} of memory resident.");
        if (report.EvaluationTokens > 0)
            output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"Perplexity on {report.EvaluationTokens} tokens that were not calibrated on."));
        foreach (var linear in report.Linears.OrderBy(l => l.Snr).Take(ListedLinears))
            output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"least exact: {linear.Name}: {linear.Snr:0.0} dB, cosine {linear.Cosine:0.00000}"));
        foreach (var linear in report.Linears.Where(l => l.Escalations > 0 || l.DeadColumns > 0))
            output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"gptq: {linear.Name}: damping {linear.Damping:g3} after {linear.Escalations} escalations, {linear.DeadColumns} dead columns"));
        foreach (var note in report.Notes)
            output.WriteLine("note: " + note);
        if (report.Resumption is { } resumption)
            output.WriteLine("note: " + resumption);
        if (report.Statistics is { } statistics)
            output.WriteLine("note: " + statistics);
        output.WriteLine($"All layers: {Path.Combine(options.Target, QuantizationReport.FileName)}");

        void Row(string name, double? before, double? after, Func<double, string> show)
        {
            if (before is { } b && after is { } a)
                table.AddRow(name, show(b), show(a));
        }
    }

    private static void WriteJson(Terminal terminal, QuantizeOptions options, QuantizationReport report) => terminal.WriteJson(writer =>
    {
        writer.WriteString("target", options.Target);
        Optional("tokens_per_second_before", report.TokensPerSecondBefore);
        Optional("tokens_per_second_after", report.TokensPerSecondAfter);
        Optional("peak_resident_bytes", report.PeakResidentBytes);
        if (report.Resumption is { } resumption)
            writer.WriteString("resumption", resumption);
        if (report.Statistics is { } statistics)
            writer.WriteString("statistics", statistics);
        writer.WriteStartArray("warnings");
        foreach (var warning in report.Warnings)
            writer.WriteStringValue(warning);
        writer.WriteEndArray();
        writer.WritePropertyName("report");
        using (var document = JsonDocument.Parse(report.ToJson()))
            document.RootElement.WriteTo(writer); // on one line

        void Optional(string name, double? value)
        {
            if (value is { } number)
                writer.WriteNumber(name, number);
        }
    });
}
