using Generated.Quant.Observers;
using Generated.Quant.Recipes;

namespace Quant.Tests.Observers;

/// <summary>Thresholds from all values at once, in plain loops: the published definitions.</summary>
internal static class NaiveThreshold
{
    /// <summary>Asserts that a threshold is what its definition says.</summary>
    /// <param name="kind">How it was chosen.</param>
    /// <param name="sequences">The values of each sequence.</param>
    /// <param name="found">The threshold.</param>
    /// <param name="relative">Share of the largest magnitude that the values may be off, where they are not those that the observer saw, but computed again.</param>
    public static void AssertIs(ActivationObserver kind, float[][] sequences, double found, double relative = 0)
    {
        var all = sequences.SelectMany(values => values).ToArray();
        var largest = (double)all.Max(Math.Abs);
        if (largest == 0)
        {
            Assert.Equal(0, found);
            return;
        }

        switch (kind)
        {
            case ActivationObserver.AbsMax:
                Assert.Equal(largest, found, largest * relative);
                break;
            case ActivationObserver.Average:
                Assert.Equal(sequences.Average(values => (double)values.Max(Math.Abs)), found, largest * (1e-12 + relative));
                break;
            case ActivationObserver.Histogram:
                var percentile = Percentile(all, ThresholdObservers.Percentile);
                Assert.InRange(found, percentile - largest * relative, percentile + largest * (1.0 / 2048 + relative));
                break;
            case ActivationObserver.Kl when relative == 0:
                Assert.Equal(Kl(all), found, largest * 1e-9);
                break;
            case ActivationObserver.Kl:
                // Values at the edge of a bin may be in the next, so that another candidate may be the least: its divergence is.
                var candidates = Divergences(all);
                Assert.InRange(candidates.MinBy(c => Math.Abs(c.Threshold - found)).Divergence, 0, candidates.Min(c => c.Divergence) * 1.001 + 1e-6);
                Assert.InRange(candidates.Min(c => Math.Abs(c.Threshold - found)), 0, largest * (1e-9 + relative));
                break;
            default:
                var squared = kind == ActivationObserver.Mse;
                var tolerance = squared ? Math.Pow(largest / 16384, 2) : largest / 16384;
                Assert.InRange(Error(all, found, squared), 0, LeastError(all, squared) * 1.02 + tolerance);
                break;
        }
    }

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

    /// <summary>The threshold of least divergence.</summary>
    public static double Kl(float[] values) => Divergences(values).MinBy(c => c.Divergence).Threshold;

    /// <summary>The divergence of every threshold, with histograms built anew for each.</summary>
    private static List<(double Threshold, double Divergence)> Divergences(float[] values)
    {
        var magnitudes = values.Select(v => (double)Math.Abs(v)).ToArray();
        var largest = magnitudes.Max();
        var range = Math.Pow(2, Math.Floor(Math.Log2(largest)) + 1);
        var width = range / 4096;
        var bins = (int)(largest / width) + 1;
        var counts = new long[bins];
        foreach (var m in magnitudes)
            counts[(int)(m / width)]++;
        // Where there are fewer bins than candidates need, nothing is clipped.
        List<(double Threshold, double Divergence)> found = bins < 128 ? [(largest, 0)] : [];
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

            found.Add((Math.Min(n * width, largest), divergence));
        }

        return found;
    }
}
