using static TorchSharp.torch;

namespace Generated.Quant.Observers;

/// <summary>
/// The threshold whose 128 magnitudes of a code keep the most information (Migacz, "8-bit inference with TensorRT", 2017): the
/// least Kullback-Leibler divergence of the clipped distribution from its quantized form. The histogram counts magnitudes
/// from zero, and thresholds from 128 bins on are tried, so that two-sided data is clipped as one-sided data is.
/// </summary>
internal sealed class KlObserver : IThresholdObserver
{
    private const int Levels = 128;
    private const double Smallest = 1e-4;
    private readonly MagnitudeHistogram _histogram = new(ThresholdObservers.Bins);

    /// <inheritdoc/>
    public void Add(Tensor rows) => _histogram.Add(rows);

    /// <inheritdoc/>
    public double Threshold()
    {
        if (_histogram.Total == 0)
            throw AbsMaxObserver.Empty();
        var counts = _histogram.Counts;
        var best = _histogram.AbsMax;
        var least = double.PositiveInfinity;
        var quantized = new double[counts.Length];
        for (var bins = Levels; bins <= counts.Length; bins++)
        {
            var divergence = Divergence(counts, bins, quantized);
            if (divergence < least)
                (least, best) = (divergence, Math.Min(bins * _histogram.BinWidth, _histogram.AbsMax));
        }

        return best;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
    }

    private double Divergence(ReadOnlySpan<long> counts, int bins, double[] quantized)
    {
        long kept = 0;
        for (var level = 0; level < Levels; level++)
        {
            var (start, end) = ((int)((long)level * bins / Levels), (int)((long)(level + 1) * bins / Levels));
            long sum = 0;
            var filled = 0;
            for (var i = start; i < end; i++)
            {
                sum += counts[i];
                filled += counts[i] > 0 ? 1 : 0;
            }

            kept += sum;
            for (var i = start; i < end; i++)
                quantized[i] = counts[i] > 0 ? (double)sum / filled : 0;
        }

        if (kept == 0)
            return double.PositiveInfinity;
        double divergence = 0;
        var total = (double)_histogram.Total;
        for (var i = 0; i < bins; i++)
        {
            // What is clipped becomes the last bin of the reference, and is missing in the quantized distribution.
            var p = (counts[i] + (i == bins - 1 ? _histogram.Total - kept : 0)) / total;
            if (p > 0)
                divergence += p * Math.Log(p / Math.Max(quantized[i] / kept, Smallest / bins));
        }

        return divergence;
    }
}
