namespace Quant.Tests.Observers;

/// <summary>Thresholds from all values at once, in plain loops: the published definitions.</summary>
internal static class NaiveThreshold
{
    public static double Percentile(float[] values, double share)
    {
        var sorted = values.Select(v => (double)Math.Abs(v)).Order().ToArray();
        return sorted[(int)Math.Ceiling(share * sorted.Length) - 1];
    }

    /// <summary>The least error, squared or earth mover's, over thresholds of 0.3 to 1 times the largest magnitude.</summary>
    public static double LeastError(float[] values, bool squared) =>
        Enumerable.Range(0, 36).Min(i => Error(values, values.Max(v => (double)Math.Abs(v)) * (1 - 0.02 * i), squared));

    public static double Error(float[] values, double threshold, bool squared)
    {
        var scale = threshold / 127;
        var quantized = values.Select(v => Math.Clamp(Math.Round(v / scale), -127, 127) * scale).ToArray();
        if (squared)
            return values.Zip(quantized, (a, b) => (a - b) * (a - b)).Average();
        // The earth mover's distance of two samples of equal size: the mean distance of their sorted values.
        return values.Order().Zip(quantized.Order(), (a, b) => Math.Abs(a - b)).Average();
    }

    /// <summary>The threshold of least divergence, with histograms built anew for every candidate.</summary>
    public static double Kl(float[] values)
    {
        var magnitudes = values.Select(v => (double)Math.Abs(v)).ToArray();
        var largest = magnitudes.Max();
        var range = Math.Pow(2, Math.Floor(Math.Log2(largest)) + 1);
        var width = range / 4096;
        var bins = (int)(largest / width) + 1;
        var counts = new long[bins];
        foreach (var m in magnitudes)
            counts[(int)(m / width)]++;
        var (best, least) = (largest, double.PositiveInfinity);
        for (var n = 128; n <= bins; n++)
        {
            var reference = counts[..n].Select(c => (double)c).ToArray();
            reference[^1] += counts[n..].Sum();
            var candidate = new double[n];
            for (var level = 0; level < 128; level++)
            {
                var (start, end) = (level * n / 128, (level + 1) * n / 128);
                var members = counts[start..end];
                for (var i = start; i < end; i++)
                    candidate[i] = counts[i] > 0 ? (double)members.Sum() / members.Count(c => c > 0) : 0;
            }

            if (candidate.Sum() == 0)
                continue;
            var (kept, divergence) = (candidate.Sum(), 0.0);
            for (var i = 0; i < n; i++)
            {
                var p = reference[i] / values.Length;
                if (p > 0)
                    divergence += p * Math.Log(p / Math.Max(candidate[i] / kept, 1e-4 / n));
            }

            if (divergence < least)
                (least, best) = (divergence, Math.Min(n * width, largest));
        }

        return best;
    }
}
