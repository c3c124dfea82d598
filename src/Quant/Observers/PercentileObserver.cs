using static TorchSharp.torch;

namespace Generated.Quant.Observers;

/// <summary>The smallest threshold, to a bin, that at least a share of all magnitudes does not exceed.</summary>
/// <param name="share">In (0, 1].</param>
internal sealed class PercentileObserver(double share) : IThresholdObserver
{
    private readonly MagnitudeHistogram _histogram = new(ThresholdObservers.Bins);

    /// <inheritdoc/>
    public void Add(Tensor rows) => _histogram.Add(rows);

    /// <inheritdoc/>
    public double Threshold()
    {
        if (_histogram.Total == 0)
            throw AbsMaxObserver.Empty();
        var wanted = (long)Math.Ceiling(share * _histogram.Total);
        long seen = 0;
        var counts = _histogram.Counts;
        for (var i = 0; i < counts.Length; i++)
        {
            seen += counts[i];
            if (seen >= wanted)
                return Math.Min((i + 1) * _histogram.BinWidth, _histogram.AbsMax);
        }

        return _histogram.AbsMax;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
    }
}
