using static TorchSharp.torch;

namespace Generated.Quant.Observers;

/// <summary>
/// The threshold, from 0.3 to 1 times the largest magnitude of the whole run, at which quantized values are closest: by mean
/// squared error, or by earth mover's distance. (Rounding to codes is monotone, so that the cheapest transport moves each value to
/// its own code: the distance is the mean absolute error.) Errors are taken on a fine histogram of all batches.
/// </summary>
/// <param name="squared">Whether errors are squared.</param>
internal sealed class LeastErrorObserver(bool squared) : IThresholdObserver
{
    private const double SmallestFraction = 0.3;
    private const double Step = 0.02;
    private readonly MagnitudeHistogram _histogram = new(8 * ThresholdObservers.Bins);

    /// <inheritdoc/>
    public void Add(Tensor rows) => _histogram.Add(rows);

    /// <inheritdoc/>
    public double Threshold()
    {
        if (_histogram.Total == 0)
            throw AbsMaxObserver.Empty();
        if (_histogram.AbsMax == 0)
            return 0;
        var best = _histogram.AbsMax;
        var least = Error(best);
        for (var fraction = 1 - Step; fraction > SmallestFraction - Step / 2; fraction -= Step)
        {
            var threshold = _histogram.AbsMax * fraction;
            var error = Error(threshold);
            if (error < least)
                (least, best) = (error, threshold);
        }

        return best;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
    }

    private double Error(double threshold)
    {
        const int Limit = 127;
        var scale = threshold / Limit;
        var counts = _histogram.Counts;
        double sum = 0;
        for (var i = 0; i < counts.Length; i++)
        {
            if (counts[i] == 0 || i == 0) // zeros are exact, and nearly all of the first bin is below half a code
                continue;
            var value = Math.Min((i + 0.5) * _histogram.BinWidth, _histogram.AbsMax);
            var error = Math.Abs(value - Math.Min(Math.Round(value / scale), Limit) * scale);
            sum += counts[i] * (squared ? error * error : error);
        }

        return sum;
    }
}
