namespace Generated.Quant.Analysis.Reports;

/// <summary>A plot of a report.</summary>
/// <param name="FileName">Its file.</param>
/// <param name="Title">What it shows, for who cannot see it too.</param>
/// <param name="Png">The image.</param>
/// <param name="Layer">The layer that it is about; null for all.</param>
internal sealed record AnalysisPlot(string FileName, string Title, byte[] Png, string? Layer = null);

/// <summary>The plots of a report: all layers by sensitivity, and the values of the most sensitive ones.</summary>
internal static class AnalysisPlots
{
    /// <summary>Layers that a plot of all layers shows: those that matter, legibly.</summary>
    private const int Ranked = 24;

    /// <summary>Layers with box plots side by side.</summary>
    private const int Boxed = 12;

    /// <summary>Layers with histograms of their own.</summary>
    private const int Detailed = 6;

    /// <summary>Whether the system has fonts to write titles and names with.</summary>
    public static bool HasFonts => SkiaSharp.SKFontManager.Default.FontFamilyCount > 0;

    /// <summary>Draws them.</summary>
    /// <param name="report">The findings.</param>
    /// <param name="statistics">Values of every layer.</param>
    public static IReadOnlyList<AnalysisPlot> Draw(AnalysisReport report, IReadOnlyList<LayerStatistics> statistics)
    {
        var metric = MetricWords.Name(report.Metric);
        var byId = statistics.ToDictionary(layer => layer.Id, StringComparer.Ordinal);
        var ranked = report.Layers.Take(Ranked).ToList();
        var boxed = report.Layers.Take(Boxed).Select(layer => byId[layer.Layer]).ToList();
        List<AnalysisPlot> plots =
        [
            Plot("sensitivity.png", $"Harm to the {metric} by layer", title => PlotPainter.Bars(title, $"{metric} added", ranked.Select(l => (l.Layer, l.Harm)))),
            Plot("error.png", "Noise of each layer's output", title => PlotPainter.Bars(title, "signal-to-noise ratio, dB (less is worse)", ranked.Select(l => (l.Layer, l.Snr)))),
            Plot("weights.png", "Weights of the most sensitive layers", title => PlotPainter.Boxes(title, boxed.Select(l => (l.Id, l.Weights)))),
            Plot("inputs.png", "Inputs of the most sensitive layers", title => PlotPainter.Boxes(title, boxed.Select(l => (l.Id, l.Inputs)))),
        ];
        if (report.Search is { } search)
            plots.Add(Plot("search.png", $"{metric} as layers are left unquantized", title => PlotPainter.Steps(title, metric, [.. search.Steps.Select(s => s.Metric)], search.Target)));
        foreach (var (layer, place) in boxed.Take(Detailed).Select((layer, i) => (layer, i + 1)))
        {
            plots.Add(Plot(FormattableString.Invariant($"layer-{place:00}-weights.png"), $"Weights of {layer.Id}", title => PlotPainter.Histogram(title, layer.Weights), layer.Id));
            plots.Add(Plot(FormattableString.Invariant($"layer-{place:00}-inputs.png"), $"Inputs of {layer.Id}", title => PlotPainter.Histogram(title, layer.Inputs), layer.Id));
        }

        return plots;
    }

    private static AnalysisPlot Plot(string file, string title, Func<string, byte[]> draw, string? layer = null) => new(file, title, draw(title), layer);
}

/// <summary>What a metric is called.</summary>
internal static class MetricWords
{
    public static string Name(AnalysisMetric metric) => metric == AnalysisMetric.Perplexity ? "perplexity" : "logits' mean squared error";
}
