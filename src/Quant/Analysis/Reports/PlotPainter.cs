using System.Globalization;
using ScottPlot;

namespace Generated.Quant.Analysis.Reports;

/// <summary>Draws single plots as PNG.</summary>
internal static class PlotPainter
{
    private const int Width = 900;
    private const int Height = 420;
    private const int RowHeight = 22;
    private const int Bins = 80;

    /// <summary>Ratio of the largest to the smallest value from which an axis is logarithmic.</summary>
    private const double WideRange = 50;

    // The first colours of the palette, which legends of box plots take.
    private static readonly Color BeforeColor = Color.FromHex("#1f77b4");
    private static readonly Color AfterColor = Color.FromHex("#ff7f0e");

    /// <summary>Horizontal bars, the first on top; what is not finite has no bar.</summary>
    public static byte[] Bars(string title, string axis, IEnumerable<(string Name, double Value)> values)
    {
        var all = values.ToList();
        var plot = Create(title);
        var bars = plot.Add.Bars(all.Select((v, i) => new Bar
        {
            Position = -i,
            Value = double.IsFinite(v.Value) ? v.Value : 0,
            FillColor = BeforeColor,
            LineWidth = 0,
            Size = 0.7,
        }).ToArray());
        bars.Horizontal = true;
        plot.Axes.Left.SetTicks([.. all.Select((_, i) => (double)-i)], [.. all.Select(v => v.Name)]);
        plot.Axes.Left.MajorTickStyle.Length = 0;
        plot.XLabel(axis);
        plot.HideGrid();
        return Png(plot, Math.Max(Height / 2, 110 + RowHeight * all.Count));
    }

    /// <summary>
    /// Boxes from the lower to the upper quartile with whiskers to the extremes, before and after side by side, on an axis that is linear
    /// about zero and logarithmic beyond: outliers are what matters, and they are far from everything else.
    /// </summary>
    public static byte[] Boxes(string title, IEnumerable<(string Name, BeforeAfter Values)> layers)
    {
        const double Half = 0.2;
        var all = layers.ToList();
        var plot = Create(title);
        var axis = SignedLogAxis.For([.. all.SelectMany(layer => new[] { layer.Values.Before, layer.Values.After })]);
        plot.Add.Boxes([.. all.Select((layer, i) => Box(layer.Values.Before, i - Half, BeforeColor, axis))]).LegendText = "before";
        plot.Add.Boxes([.. all.Select((layer, i) => Box(layer.Values.After, i + Half, AfterColor, axis))]).LegendText = "after";
        var ticks = axis.Ticks;
        plot.Axes.Left.SetTicks([.. ticks.Select(axis.Place)], [.. ticks.Select(Number)]);
        Names(plot, all.Select(layer => layer.Name));
        Legend(plot);
        return Png(plot, Height + 120);
    }

    /// <summary>Counts in equal bins on a logarithmic axis, before and after over each other.</summary>
    public static byte[] Histogram(string title, BeforeAfter values)
    {
        var (low, high) = (Math.Min(values.Before.Min, values.After.Min), Math.Max(values.Before.Max, values.After.Max));
        if (low == high)
            (low, high) = (low - 0.5, high + 0.5);
        var plot = Create(title);
        var most = Math.Max(Add(values.Before, BeforeColor, "before"), Add(values.After, AfterColor, "after"));
        var ticks = Enumerable.Range(0, (int)Math.Ceiling(Math.Log10(Math.Max(most, 2))) + 1).ToList();
        plot.Axes.Left.SetTicks([.. ticks.Select(t => (double)t)], [.. ticks.Select(t => Number(Math.Pow(10, t)))]);
        plot.Axes.SetLimitsY(-0.3, ticks[^1]);
        plot.YLabel("values in the sample");
        Legend(plot);
        return Png(plot, Height);

        int Add(ValueSummary summary, Color color, string name)
        {
            var counts = Count(summary.Sample, low, high);
            var width = (high - low) / Bins;
            var bars = plot.Add.Bars(counts.Select((count, i) => new Bar
            {
                Position = low + (i + 0.5) * width,
                Value = count > 0 ? Math.Log10(count) : -0.3,
                ValueBase = -0.3,
                FillColor = color.WithAlpha(0.55),
                LineWidth = 0,
                Size = width,
            }).ToArray());
            bars.LegendText = name;
            return counts.Max();
        }
    }

    /// <summary>A metric step by step, with the target that it has to reach.</summary>
    public static byte[] Steps(string title, string metric, IReadOnlyList<double> values, double target)
    {
        var plot = Create(title);
        var finite = values.Select((value, i) => (X: (double)i, Y: value)).Where(p => double.IsFinite(p.Y)).ToList();
        var all = finite.Select(p => p.Y).Append(target).ToList();
        var isLog = all.Min() > 0 && all.Max() / all.Min() > WideRange;
        double Place(double value) => isLog ? Math.Log10(value) : value;
        var line = plot.Add.Scatter(finite.Select(p => p.X).ToArray(), finite.Select(p => Place(p.Y)).ToArray(), BeforeColor);
        line.LegendText = metric;
        var limit = plot.Add.HorizontalLine(Place(target), 2, AfterColor, LinePattern.Dashed);
        limit.LegendText = "target";
        if (isLog)
        {
            var decades = Enumerable.Range((int)Math.Floor(Math.Log10(all.Min())), (int)Math.Ceiling(Math.Log10(all.Max() / all.Min())) + 2).Select(d => (double)d).ToArray();
            plot.Axes.Left.SetTicks(decades, [.. decades.Select(d => Number(Math.Pow(10, d)))]);
        }

        plot.XLabel("layers left unquantized");
        Legend(plot);
        return Png(plot, Height);
    }

    private static Plot Create(string title)
    {
        var plot = new Plot();
        plot.Title(title);
        return plot;
    }

    private static void Legend(Plot plot) => plot.ShowLegend(Edge.Right);

    private static void Names(Plot plot, IEnumerable<string> names)
    {
        var all = names.ToList();
        plot.Axes.Bottom.SetTicks([.. all.Select((_, i) => (double)i)], [.. all]);
        plot.Axes.Bottom.MajorTickStyle.Length = 0;
        plot.Axes.Bottom.TickLabelStyle.Rotation = 35;
        plot.Axes.Bottom.TickLabelStyle.Alignment = Alignment.MiddleLeft;
        plot.Axes.Bottom.MinimumSize = 150;
    }

    private static Box Box(ValueSummary values, double position, Color color, SignedLogAxis axis) => new()
    {
        Position = position,
        Width = 0.36,
        WhiskerMin = axis.Place(values.Min),
        BoxMin = axis.Place(values.LowerQuartile),
        BoxMiddle = axis.Place(values.Median),
        BoxMax = axis.Place(values.UpperQuartile),
        WhiskerMax = axis.Place(values.Max),
        FillColor = color,
        LineColor = Colors.Black,
    };

    private static int[] Count(float[] sample, double low, double high)
    {
        var counts = new int[Bins];
        foreach (var value in sample)
            counts[Math.Clamp((int)((value - low) / (high - low) * Bins), 0, Bins - 1)]++;
        return counts;
    }

    private static string Number(double value) => value.ToString("G4", CultureInfo.InvariantCulture);

    private static byte[] Png(Plot plot, int height) => plot.GetImageBytes(Width, height, ImageFormat.Png);
}
