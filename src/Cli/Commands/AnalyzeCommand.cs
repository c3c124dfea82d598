using System.CommandLine;
using System.Globalization;
using Generated.Quant.Analysis;
using Spectre.Console;

namespace Generated.Cli.Commands;

/// <summary><c>generated analyze</c>: what a recipe does to each layer, and which layers to leave alone.</summary>
internal static class AnalyzeCommand
{
    private const int ListedLayers = 10;

    public static Command Create(Terminal terminal)
    {
        var shared = new RecipeOptions("Share of its rows to stop calibrating at.", "Most rows to calibrate on, evenly spaced.", 128);
        var source = new Argument<string>("dir") { Description = "Checkpoint folder, not quantized." };
        var text = new Option<string>("--text") { Description = "Text, JSONL (text, src and tgt, or ids) or safetensors (input_ids): calibrated on a part, measured on what is behind it.", Required = true, HelpName = "file" };
        var metricRows = new Option<int>("--metric-rows") { Description = "Most rows to measure on, evenly spaced; the time of every measurement.", DefaultValueFactory = _ => 16, HelpName = "n" };
        var metric = new Option<string>("--metric") { Description = "perplexity, or mse of the logits.", DefaultValueFactory = _ => "perplexity", HelpName = "name" };
        var direction = new Option<string>("--direction") { Description = "quantize one layer alone, unquantize one alone, or both.", DefaultValueFactory = _ => "quantize", HelpName = "name" };
        var target = new Option<double?>("--target") { Description = "Searches the layers to leave unquantized, most sensitive first, until the metric is at most this.", HelpName = "x" };
        var output = new Option<string?>("--out") { Description = "Folder of the report; measurements that it holds are used again. Default: NAME-analysis here.", HelpName = "folder" };
        var plots = new Option<bool>("--plots") { Description = "Plots distributions and results." };
        var command = new Command("analyze", "Measures what a recipe does to each layer, and finds the layers to leave unquantized for a target. Started again after an interruption, it goes on where it stopped.")
        {
            source,
        };
        shared.AddTo(command, text, metricRows, metric, direction, target, output, plots);
        command.SetAction((parse, cancellation) => OffThread.Run(() =>
        {
            var directory = parse.GetRequiredValue(source);
            var name = Path.GetFileName(Path.TrimEndingDirectorySeparator(Path.GetFullPath(directory)));
            var options = new AnalysisOptions
            {
                Source = directory,
                Recipe = shared.Recipe(parse, terminal),
                TextFile = parse.GetRequiredValue(text),
                Calibration = shared.Calibration(parse),
                MetricRows = parse.GetValue(metricRows),
                Metric = Choice<AnalysisMetric>(metric.Name, parse.GetRequiredValue(metric)),
                Direction = Choice<AnalysisDirection>(direction.Name, parse.GetRequiredValue(direction)),
                Target = parse.GetValue(target),
                Folder = parse.GetValue(output) ?? name + "-analysis",
                Plots = parse.GetValue(plots),
                Device = shared.Device(parse),
            };
            var report = terminal.WithProgress($"Analyzing {name}", progress => Analyzer.Run(options with { Progress = progress }, cancellation));
            if (parse.GetValue(shared.Json))
                WriteJson(terminal, options, report);
            else
                WriteText(terminal, options, report);
            if (report.Search is not { IsReached: false } search)
                return CommandLine.Success;
            terminal.Fail(string.Create(CultureInfo.InvariantCulture, $"The target of {search.Target} is not reached while any layer is quantized; the model in float32 has {report.MetricBefore:g5}."));
            return CommandLine.Failed;
        }));
        return Help.WithExamples(command,
            "analyze ./llama --recipe w8a8 --text wiki.train.txt --plots",
            "analyze ./llama --recipe w4-gptq --text wiki.train.txt --target 5.6 --out ./study",
            "quantize ./llama ./llama-w4 --recipe ./study/recipe.json --calibration wiki.train.txt",
            "analyze ./llama --recipe mine.json --text tokens.safetensors --metric mse --direction both --device cuda --json");
    }

    private static T Choice<T>(string option, string name)
        where T : struct, Enum
    {
        var values = Enum.GetValues<T>();
        foreach (var value in values)
        {
            if (name.Equals(value.ToString(), StringComparison.OrdinalIgnoreCase))
                return value;
        }

        throw new InvalidInputException($"{option} is '{name}'; it has to be {string.Join(" or ", values.Select(value => value.ToString().ToLowerInvariant()))}.");
    }

    private static void WriteText(Terminal terminal, AnalysisOptions options, AnalysisReport report)
    {
        var output = terminal.Output;
        var metric = options.Metric == AnalysisMetric.Perplexity ? "perplexity" : "mean squared error of the logits";
        output.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"{report.Model} by recipe {report.Recipe}: {metric} {report.MetricBefore:g6} before, {report.MetricAfter:g6} with {report.Layers.Count} layers quantized, on {report.MetricTokens} tokens"));
        var table = new Table().Border(TableBorder.Simple).AddColumn("most sensitive layers");
        foreach (var column in new[] { "harm", "SNR, dB", "cosine" })
            table.AddColumn(new TableColumn(column).RightAligned());
        foreach (var layer in report.Layers.Take(ListedLayers))
            table.AddRow(Markup.Escape(layer.Layer), Number(layer.Harm, "g4"), Number(layer.Snr, "0.0"), Number(layer.Cosine, "0.00000"));
        terminal.Console.Write(table);
        if (report.Search is { IsReached: true } search)
            output.WriteLine(string.Create(CultureInfo.InvariantCulture,
                $"{metric} {search.Steps[^1].Metric:g6} with {search.Kept.Count} of {report.Layers.Count} layers left unquantized: {Path.Combine(options.Folder, Analyzer.RecipeFileName)}"));
        foreach (var note in report.Notes)
            output.WriteLine("note: " + note);
        output.WriteLine($"All layers: {Path.Combine(options.Folder, "report.html")}");

        static string Number(double value, string format) => value.ToString(format, CultureInfo.InvariantCulture);
    }

    private static void WriteJson(Terminal terminal, AnalysisOptions options, AnalysisReport report) => terminal.WriteJson(writer =>
    {
        writer.WriteString("folder", options.Folder);
        writer.WritePropertyName("report");
        writer.WriteRawValue(report.ToJsonLine());
    });
}
