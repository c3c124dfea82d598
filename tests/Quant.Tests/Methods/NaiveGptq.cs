using Generated.Quant.Recipes;

namespace Quant.Tests.Methods;

/// <summary>
/// Optimal brain quantization in the fixed order of GPTQ, straight from the papers in float64: one column at a time, the inverse
/// Hessian whole, and the column eliminated from it. No Cholesky factor, no blocks.
/// </summary>
internal static class NaiveGptq
{
    public static (int[,] Codes, float[,] Scales, int[,] Zeros, int[] Order) Quantize(
        double[][] weight, double[][] tokens, WeightFormat format, double damping, bool actOrder, Rounding rounding)
    {
        var (rows, width) = (weight.Length, weight[0].Length);
        var h = new double[width, width];
        foreach (var x in tokens)
            for (var i = 0; i < width; i++)
                for (var j = 0; j < width; j++)
                    h[i, j] += 2.0 / tokens.Length * x[i] * x[j];
        var mean = Enumerable.Range(0, width).Average(i => h[i, i]);
        var order = Enumerable.Range(0, width).ToArray();
        if (actOrder)
            order = [.. order.OrderByDescending(i => h[i, i])];
        for (var i = 0; i < width; i++)
            h[i, i] = (h[i, i] == 0 ? mean : h[i, i]);
        mean = Enumerable.Range(0, width).Average(i => h[i, i]);
        for (var i = 0; i < width; i++)
            h[i, i] += damping * mean;
        var inverse = Invert(h);
        var w = weight.Select(row => row.ToArray()).ToArray();
        var groupSize = format.Per == Granularity.Group ? Math.Min(format.GroupSize, width) : width;
        var groups = (width + groupSize - 1) / groupSize;
        var (codes, scales, zeros) = (new int[rows, width], new float[rows, groups], new int[rows, groups]);
        for (var place = 0; place < width; place++)
        {
            var column = order[place];
            if (place % groupSize == 0)
            {
                var members = order.Skip(place).Take(groupSize).ToArray();
                for (var row = 0; row < rows; row++)
                    (scales[row, place / groupSize], zeros[row, place / groupSize]) = NaiveGrid.Fit([.. members.Select(c => w[row][c])], format, rounding);
            }

            for (var row = 0; row < rows; row++)
            {
                var grid = (scales[row, place / groupSize], zeros[row, place / groupSize]);
                codes[row, column] = NaiveGrid.Code(w[row][column], grid, format, rounding);
                var error = (w[row][column] - (codes[row, column] - grid.Item2) * (double)grid.Item1) / inverse[column, column];
                foreach (var other in order.Skip(place + 1))
                    w[row][other] -= error * inverse[column, other];
            }

            var pivot = inverse[column, column];
            var old = (double[,])inverse.Clone();
            foreach (var i in order.Skip(place + 1))
                foreach (var j in order.Skip(place + 1))
                    inverse[i, j] = old[i, j] - old[i, column] * old[column, j] / pivot;
        }

        return (codes, scales, zeros, order);
    }

    /// <summary>Gauss-Jordan with pivoting.</summary>
    private static double[,] Invert(double[,] matrix)
    {
        var n = matrix.GetLength(0);
        var a = (double[,])matrix.Clone();
        var b = new double[n, n];
        for (var i = 0; i < n; i++)
            b[i, i] = 1;
        for (var i = 0; i < n; i++)
        {
            var best = Enumerable.Range(i, n - i).MaxBy(r => Math.Abs(a[r, i]));
            for (var j = 0; j < n; j++)
            {
                (a[i, j], a[best, j]) = (a[best, j], a[i, j]);
                (b[i, j], b[best, j]) = (b[best, j], b[i, j]);
            }

            var pivot = a[i, i];
            for (var j = 0; j < n; j++)
                (a[i, j], b[i, j]) = (a[i, j] / pivot, b[i, j] / pivot);
            for (var r = 0; r < n; r++)
            {
                var factor = a[r, i];
                if (r == i || factor == 0)
                    continue;
                for (var j = 0; j < n; j++)
                    (a[r, j], b[r, j]) = (a[r, j] - factor * a[i, j], b[r, j] - factor * b[i, j]);
            }
        }

        return b;
    }
}
