using System.Globalization;
using System.Net;
using System.Text;
using Generated.Quant.Recipes;
using Generated.Quant.Recipes.Files;

namespace Generated.Quant.Analysis.Reports;

/// <summary>The page of a report: one file with its images in it, that needs nothing else.</summary>
internal static class HtmlReport
{
    private const string Style = """
        :root { color-scheme: light dark; }
        body { font: 15px/1.5 system-ui, sans-serif; max-width: 68rem; margin: 2rem auto; padding: 0 1rem; }
        h1 { font-size: 1.6rem; } h2 { font-size: 1.2rem; margin-top: 2.2rem; }
        table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
        th, td { padding: .2rem .7rem; border-bottom: 1px solid #8884; text-align: right; white-space: nowrap; }
        th:first-child, td:first-child, td.text, th.text { text-align: left; }
        thead th { position: sticky; top: 0; background: Canvas; }
        .wide { overflow-x: auto; max-height: 36rem; overflow-y: auto; }
        .pair { display: grid; grid-template-columns: repeat(auto-fit, minmax(26rem, 1fr)); gap: .5rem; }
        figure { margin: .5rem 0; } img { max-width: 100%; height: auto; background: white; }
        pre { padding: .8rem; overflow-x: auto; border: 1px solid #8884; }
        .good { color: #2a8a3e; } .bad { color: #c0392b; }
        """;

    /// <summary>Writes the page.</summary>
    public static string Page(AnalysisReport report, QuantRecipe recipe, QuantRecipe? found, IReadOnlyList<LayerStatistics> statistics, IReadOnlyList<AnalysisPlot> plots)
    {
        var html = new StringBuilder();
        var title = $"{report.Model} by recipe {report.Recipe}";
        html.Append("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width\">\n")
            .Append(CultureInfo.InvariantCulture, $"<title>{Text(title)}</title>\n<style>\n{Style}\n</style>\n</head>\n<body>\n<h1>{Text(title)}</h1>\n");
        Summary(html, report);
        Plots(html, plots.Where(plot => plot.FileName is "sensitivity.png" or "error.png"));
        Layers(html, report);
        if (report.Search is { } search)
            Search(html, report, search, plots);
        Values(html, statistics, plots);
        Recipe(html, "The recipe", recipe);
        if (found is not null && report.Search!.IsReached)
            Recipe(html, "The recipe that the search found", found);
        return html.Append("</body>\n</html>\n").ToString();
    }

    private static void Summary(StringBuilder html, AnalysisReport report)
    {
        html.Append(CultureInfo.InvariantCulture,
            $"<p>The {MetricWords.Name(report.Metric)} on {report.MetricTokens} held-out tokens is <strong>{Number(report.MetricBefore)}</strong> in float32 and <strong>{Number(report.MetricAfter)}</strong> with all {report.Layers.Count} layers of the recipe quantized; less is better. Calibrated on {report.CalibrationTokens} tokens.</p>\n");
        if (report.Notes.Count == 0)
            return;
        html.Append("<ul>\n");
        foreach (var note in report.Notes)
            html.Append(CultureInfo.InvariantCulture, $"<li>{Text(note)}</li>\n");
        html.Append("</ul>\n");
    }

    private static void Layers(StringBuilder html, AnalysisReport report)
    {
        html.Append("<h2>Layers, most sensitive first</h2>\n<p><em>Alone</em>: the metric with this layer quantized and no other. <em>Without</em>: with every layer quantized but this. Errors are those of its output on calibration tokens, its input exact.</p>\n");
        Table(html, ["layer", "harm", "alone", "without", "MSE", "SNR, dB", "cosine"], report.Layers.Select(layer => (string[])
        [
            layer.Layer, Signed(layer.Harm), Number(layer.MetricAlone), Number(layer.MetricWithout), Number(layer.Mse), Fixed(layer.Snr, "0.0"), Fixed(layer.Cosine, "0.000000"),
        ]));
    }

    private static void Search(StringBuilder html, AnalysisReport report, SearchResult search, IReadOnlyList<AnalysisPlot> plots)
    {
        html.Append("<h2>Search for the target</h2>\n");
        if (search.IsReached)
            html.Append(CultureInfo.InvariantCulture, $"<p class=\"good\">With {search.Kept.Count} of {report.Layers.Count} layers left unquantized the target of {Number(search.Target)} is reached.</p>\n");
        else
            html.Append(CultureInfo.InvariantCulture, $"<p class=\"bad\">The target of {Number(search.Target)} is not reached while any layer is quantized; float32 gives {Number(report.MetricBefore)}.</p>\n");
        Plots(html, plots.Where(plot => plot.FileName == "search.png"));
        Table(html, ["left unquantized from here on", "metric"], search.Steps.Select(step => (string[])[step.Layer ?? "nothing", Number(step.Metric)]));
    }

    private static void Values(StringBuilder html, IReadOnlyList<LayerStatistics> statistics, IReadOnlyList<AnalysisPlot> plots)
    {
        html.Append("<h2>Values before and after</h2>\n<p>Before: of the checkpoint. After: what the integers stand for, in the scale that the recipe moved them to. Quartiles and histograms are of a sample; boxes span the quartiles, whiskers the extremes of all values.</p>\n");
        Plots(html, plots.Where(plot => plot.FileName is "weights.png" or "inputs.png"));
        foreach (var layer in plots.Where(plot => plot.Layer is not null).GroupBy(plot => plot.Layer))
        {
            html.Append("<div class=\"pair\">\n");
            Plots(html, layer);
            html.Append("</div>\n");
        }

        Table(html, ["layer", "values", "state", "min", "max", "mean", "std", "median"], statistics.SelectMany(layer => (string[][])
        [
            Row(layer.Id, "weights", "before", layer.Weights.Before),
            Row(layer.Id, "weights", "after", layer.Weights.After),
            Row(layer.Id, "inputs", "before", layer.Inputs.Before),
            Row(layer.Id, "inputs", "after", layer.Inputs.After),
        ]));

        static string[] Row(string id, string values, string state, ValueSummary of) =>
            [id, values, state, Number(of.Min), Number(of.Max), Number(of.Mean), Number(of.Std), Number(of.Median)];
    }

    private static void Recipe(StringBuilder html, string title, QuantRecipe recipe) => html.Append(
        CultureInfo.InvariantCulture, $"<h2>{Text(title)}</h2>\n<pre>{Text(RecipeFile.Text(recipe))}</pre>\n");

    private static void Plots(StringBuilder html, IEnumerable<AnalysisPlot> plots)
    {
        foreach (var plot in plots)
            html.Append(CultureInfo.InvariantCulture, $"<figure><img alt=\"{Text(plot.Title)}\" src=\"data:image/png;base64,{Convert.ToBase64String(plot.Png)}\"></figure>\n");
    }

    private static void Table(StringBuilder html, IEnumerable<string> head, IEnumerable<string[]> rows)
    {
        html.Append("<div class=\"wide\"><table>\n<thead><tr>");
        foreach (var cell in head)
            html.Append(CultureInfo.InvariantCulture, $"<th>{Text(cell)}</th>");
        html.Append("</tr></thead>\n<tbody>\n");
        foreach (var row in rows)
        {
            html.Append("<tr>");
            foreach (var cell in row)
                html.Append(CultureInfo.InvariantCulture, $"<td>{Text(cell)}</td>");
            html.Append("</tr>\n");
        }

        html.Append("</tbody>\n</table></div>\n");
    }

    private static string Number(double? value) => value is { } number ? number.ToString("G5", CultureInfo.InvariantCulture) : "–";

    private static string Signed(double value) => value.ToString("+0.######;-0.######;0", CultureInfo.InvariantCulture);

    private static string Fixed(double value, string format) => double.IsFinite(value) ? value.ToString(format, CultureInfo.InvariantCulture) : "exact";

    private static string Text(string text) => WebUtility.HtmlEncode(text);
}
