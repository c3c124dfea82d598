using System.Runtime.Intrinsics;

namespace Generated.Kernels;

/// <summary>Normalizations of rows of float32 activations, on the calling thread: for the one row of a decoding step. Input and output may be the same memory.</summary>
public static unsafe class NormKernels
{
    /// <summary>y = x / √(mean(x²) + epsilon) · weight (Zhang and Sennrich, 2019).</summary>
    /// <param name="x">[rows, width].</param>
    /// <param name="weight">[width], or null for ones.</param>
    /// <param name="epsilon">Added to the mean square.</param>
    /// <param name="y">[rows, width].</param>
    /// <param name="rows">Number of rows.</param>
    /// <param name="width">Values per row, at least 1.</param>
    public static void RmsNorm(float* x, float* weight, float epsilon, float* y, int rows, int width)
    {
        Check(rows, width);
        for (var row = 0; row < rows; row++, x += width, y += width)
        {
            var scale = 1 / MathF.Sqrt(RowKernels.Dot(x, x, width) / width + epsilon);
            Affine(x, 0, scale, weight, null, y, width);
        }
    }

    /// <summary>sum = x + delta, then <see cref="RmsNorm"/> of the sum into y: a residual connection and the norm after it in one pass.</summary>
    /// <param name="x">[rows, width]; becomes the sum.</param>
    /// <param name="delta">[rows, width].</param>
    /// <param name="weight">[width], or null for ones.</param>
    /// <param name="epsilon">Added to the mean square.</param>
    /// <param name="y">[rows, width].</param>
    /// <param name="rows">Number of rows.</param>
    /// <param name="width">Values per row, at least 1.</param>
    public static void AddRmsNorm(float* x, float* delta, float* weight, float epsilon, float* y, int rows, int width)
    {
        Check(rows, width);
        RowKernels.Add(x, delta, x, (long)rows * width);
        RmsNorm(x, weight, epsilon, y, rows, width);
    }

    /// <summary>y = (x − mean) / √(variance + epsilon) · weight + bias (Ba et al., 2016); the variance is the biased one, from the centred values.</summary>
    /// <param name="x">[rows, width].</param>
    /// <param name="weight">[width], or null for ones.</param>
    /// <param name="bias">[width], or null for zeros.</param>
    /// <param name="epsilon">Added to the variance.</param>
    /// <param name="y">[rows, width].</param>
    /// <param name="rows">Number of rows.</param>
    /// <param name="width">Values per row, at least 1.</param>
    public static void LayerNorm(float* x, float* weight, float* bias, float epsilon, float* y, int rows, int width)
    {
        Check(rows, width);
        for (var row = 0; row < rows; row++, x += width, y += width)
        {
            var mean = Sum(x, width) / width;
            var scale = 1 / MathF.Sqrt(SumOfSquares(x, mean, width) / width + epsilon);
            Affine(x, mean, scale, weight, bias, y, width);
        }
    }

    private static void Check(int rows, int width)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(rows);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(width);
    }

    private static float Sum(float* x, int width)
    {
        Vector256<float> a = default, b = default;
        var k = 0;
        for (; k <= width - 16; k += 16)
        {
            a += Vector256.Load(x + k);
            b += Vector256.Load(x + k + 8);
        }
        var sum = Vector256.Sum(a + b);
        for (; k < width; k++)
            sum += x[k];
        return sum;
    }

    private static float SumOfSquares(float* x, float mean, int width)
    {
        Vector256<float> a = default, b = default;
        var k = 0;
        for (; k <= width - 16; k += 16)
        {
            var first = Vector256.Load(x + k) - Vector256.Create(mean);
            var second = Vector256.Load(x + k + 8) - Vector256.Create(mean);
            a = Vector256.MultiplyAddEstimate(first, first, a);
            b = Vector256.MultiplyAddEstimate(second, second, b);
        }
        var sum = Vector256.Sum(a + b);
        for (; k < width; k++)
            sum += (x[k] - mean) * (x[k] - mean);
        return sum;
    }

    private static void Affine(float* x, float mean, float scale, float* weight, float* bias, float* y, int width)
    {
        var k = 0;
        for (; k <= width - 8; k += 8)
        {
            var value = (Vector256.Load(x + k) - Vector256.Create(mean)) * scale;
            if (weight != null)
                value *= Vector256.Load(weight + k);
            if (bias != null)
                value += Vector256.Load(bias + k);
            value.Store(y + k);
        }
        for (; k < width; k++)
        {
            var value = (x[k] - mean) * scale;
            y[k] = value * (weight == null ? 1 : weight[k]) + (bias == null ? 0 : bias[k]);
        }
    }
}
