using System.Globalization;
using System.Text;

namespace Generated.Quant.Analysis.Reports;

/// <summary>The tables of a report as CSV with a header line; numbers are written to round-trip.</summary>
internal static class CsvTables
{
    /// <summary>A line per layer, most sensitive first.</summary>
    public static string Layers(AnalysisReport report)
    {
        var text = new StringBuilder("layer,name,harm,metric_alone,metric_without,mse,snr_db,cosine\n");
        foreach (var layer in report.Layers)
            Line(text, layer.Layer, layer.Name, layer.Harm, layer.MetricAlone, layer.MetricWithout, layer.Mse, layer.Snr, layer.Cosine);
        return text.ToString();
    }

    /// <summary>Four lines per layer: its weights and its inputs, before and after.</summary>
    public static string Statistics(IReadOnlyList<LayerStatistics> layers)
    {
        var text = new StringBuilder("layer,values,state,count,min,max,mean,std,lower_quartile,median,upper_quartile\n");
        foreach (var layer in layers)
        {
            Line(text, layer.Id, "weights", "before", layer.Weights.Before);
            Line(text, layer.Id, "weights", "after", layer.Weights.After);
            Line(text, layer.Id, "inputs", "before", layer.Inputs.Before);
            Line(text, layer.Id, "inputs", "after", layer.Inputs.After);
        }

        return text.ToString();
    }

    private static void Line(StringBuilder text, string layer, string values, string state, ValueSummary summary) => Line(
        text, layer, values, state, summary.Count, summary.Min, summary.Max, summary.Mean, summary.Std, summary.LowerQuartile, summary.Median, summary.UpperQuartile);

    private static void Line(StringBuilder text, params ReadOnlySpan<object?> cells)
    {
        for (var i = 0; i < cells.Length; i++)
        {
            if (i > 0)
                text.Append(',');
            // Names of layers and tensors hold no comma, quote or line end.
            text.Append(Convert.ToString(cells[i], CultureInfo.InvariantCulture));
        }

        text.Append('\n');
    }
}
