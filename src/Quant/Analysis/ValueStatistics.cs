using Generated.Quant.Calibration;
using TorchSharp;
using static TorchSharp.torch;

namespace Generated.Quant.Analysis;

/// <summary>Extremes, mean and deviation of values, accumulated over batches in float64 (merged by Chan, Golub and LeVeque's formula).</summary>
internal sealed class ValueStatistics
{
    private double _mean;
    private double _squares;

    /// <summary>Number of values.</summary>
    public long Count { get; private set; }

    /// <summary>Smallest value.</summary>
    public double Min { get; private set; } = double.PositiveInfinity;

    /// <summary>Largest value.</summary>
    public double Max { get; private set; } = double.NegativeInfinity;

    /// <summary>Mean.</summary>
    public double Mean => Count > 0 ? _mean : 0;

    /// <summary>Standard deviation of the values themselves, not an estimate of others'.</summary>
    public double Std => Count > 0 ? Math.Sqrt(_squares / Count) : 0;

    /// <summary>Adds values.</summary>
    /// <param name="values">Any shape; the caller's.</param>
    /// <param name="what">What they are, as the subject of a sentence in the plural.</param>
    /// <exception cref="InvalidInputException">One is NaN or infinite.</exception>
    public void Add(Tensor values, string what)
    {
        var count = values.numel();
        if (count == 0)
            return;
        using var noGrad = no_grad();
        using var scope = NewDisposeScope();
        var wide = values.to_type(ScalarType.Float64);
        var mean = wide.mean().item<double>();
        if (!double.IsFinite(mean))
            throw Finite.Refuse(what, mean, FormattableString.Invariant($"among {count} values"));
        var squares = wide.sub(mean).Squared().sum().item<double>();
        var (total, delta) = (Count + count, mean - _mean);
        _squares += squares + delta * delta * Count / total * count;
        _mean += delta * count / total;
        Count = total;
        Min = Math.Min(Min, wide.min().item<double>());
        Max = Math.Max(Max, wide.max().item<double>());
    }

    /// <summary>The statistics together with a sample of the values.</summary>
    /// <param name="sample">Some of the values.</param>
    public ValueSummary Summarize(float[] sample)
    {
        var sorted = sample.Order().ToArray();
        return new ValueSummary(Count, Min, Max, Mean, Std, Quantile(sorted, 0.25), Quantile(sorted, 0.5), Quantile(sorted, 0.75)) { Sample = sample };
    }

    /// <summary>Linear interpolation between the two values around the place.</summary>
    private static double Quantile(float[] sorted, double share)
    {
        var place = share * (sorted.Length - 1);
        var below = (int)place;
        var above = Math.Min(below + 1, sorted.Length - 1);
        return sorted[below] + (place - below) * (sorted[above] - (double)sorted[below]);
    }
}

/// <summary>What a report says of some values.</summary>
/// <param name="Count">Number of values.</param>
/// <param name="Min">Smallest.</param>
/// <param name="Max">Largest.</param>
/// <param name="Mean">Mean.</param>
/// <param name="Std">Standard deviation.</param>
/// <param name="LowerQuartile">A quarter of a sample is below.</param>
/// <param name="Median">Half of a sample is below.</param>
/// <param name="UpperQuartile">Three quarters of a sample are below.</param>
internal sealed record ValueSummary(long Count, double Min, double Max, double Mean, double Std, double LowerQuartile, double Median, double UpperQuartile)
{
    /// <summary>Some of the values.</summary>
    public required float[] Sample { get; init; }
}
