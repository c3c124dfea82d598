using Generated.Quant.Calibration;
using Generated.Quant.Recipes;

namespace Generated.Quant.Methods;

/// <summary>Offsets of channels that can move out of a value into the biases behind it (Outlier Suppression+, Wei et al., 2023).</summary>
internal static class Shifting
{
    /// <summary>z of x' = x − z, one per channel.</summary>
    public static float[] Offsets(ChannelStatistics statistics, ShiftOptions options)
    {
        ArgumentNullException.ThrowIfNull(statistics);
        ArgumentNullException.ThrowIfNull(options);
        if (options.Sampler == ShiftSampler.Ema)
            return statistics.Ema;
        var (min, max) = (statistics.Min, statistics.Max);
        _ = statistics.AbsMax; // says so where nothing was seen
        return [.. min.Select((low, c) => (float)(((double)low + max[c]) / 2))];
    }
}
