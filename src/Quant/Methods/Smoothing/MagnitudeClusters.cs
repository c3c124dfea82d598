namespace Generated.Quant.Methods;

/// <summary>
/// Optimal k-means of channels by magnitude: in one dimension dynamic programming finds the least squared distance exactly
/// (Wang and Song, "Ckmeans.1d.dp", 2011), without random starts.
/// </summary>
internal static class MagnitudeClusters
{
    /// <summary>Channels of each cluster, largest magnitudes first; fewer than asked where there are fewer different magnitudes.</summary>
    public static IReadOnlyList<IReadOnlyList<int>> Split(IReadOnlyList<float> magnitudes, int count)
    {
        ArgumentNullException.ThrowIfNull(magnitudes);
        ArgumentOutOfRangeException.ThrowIfLessThan(count, 1);
        var order = Enumerable.Range(0, magnitudes.Count).OrderBy(c => magnitudes[c]).ToArray();
        var values = order.Select(c => (double)magnitudes[c]).ToArray();
        count = Math.Min(count, values.Distinct().Count());
        var starts = Starts(values, count);
        return [.. Enumerable.Range(0, count).Select(k => order[starts[k]..(k + 1 < count ? starts[k + 1] : order.Length)]).Reverse()];
    }

    /// <summary>First index of each cluster of sorted values.</summary>
    private static int[] Starts(double[] values, int count)
    {
        var n = values.Length;
        var middle = values[n / 2]; // sums of squares about a value in the middle lose less to cancellation
        var sums = new double[n + 1];
        var squares = new double[n + 1];
        for (var i = 0; i < n; i++)
        {
            sums[i + 1] = sums[i] + (values[i] - middle);
            squares[i + 1] = squares[i] + (values[i] - middle) * (values[i] - middle);
        }

        var cost = new double[n];
        var cuts = new int[count, n];
        for (var i = 0; i < n; i++)
            cost[i] = Spread(0, i);
        for (var k = 1; k < count; k++)
        {
            var next = new double[n];
            Fill(k, next, cost, k, n - 1, k, n - 1);
            cost = next;
        }

        var starts = new int[count];
        for (var (k, end) = (count - 1, n - 1); k > 0; k--)
        {
            starts[k] = cuts[k, end];
            end = starts[k] - 1;
        }

        return starts;

        double Spread(int from, int to)
        {
            var sum = sums[to + 1] - sums[from];
            return Math.Max(0, squares[to + 1] - squares[from] - sum * sum / (to - from + 1));
        }

        // The best cut grows with the end: divide and conquer, n log n per cluster.
        void Fill(int k, double[] next, double[] before, int low, int high, int cutLow, int cutHigh)
        {
            if (low > high)
                return;
            var end = (low + high) / 2;
            var best = (Cost: double.PositiveInfinity, Cut: Math.Max(cutLow, k));
            for (var cut = Math.Max(cutLow, k); cut <= Math.Min(end, cutHigh); cut++)
            {
                var total = before[cut - 1] + Spread(cut, end);
                if (total < best.Cost)
                    best = (total, cut);
            }

            (next[end], cuts[k, end]) = best;
            Fill(k, next, before, low, end - 1, cutLow, best.Cut);
            Fill(k, next, before, end + 1, high, best.Cut, cutHigh);
        }
    }
}
