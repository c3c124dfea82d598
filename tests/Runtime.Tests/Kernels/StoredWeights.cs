using Generated.Kernels;

namespace Runtime.Tests.Kernels;

/// <summary>Weights for kernel tests.</summary>
internal static class StoredWeights
{
    /// <summary>Bytes of one stored matrix and the exact values they stand for, made without the kernels' own conversions.</summary>
    public static (byte[] Stored, double[] Exact) Of(WeightFormat format, float[] values)
    {
        switch (format)
        {
            case WeightFormat.Float32:
                return (values.SelectMany(BitConverter.GetBytes).ToArray(), values.Select(value => (double)value).ToArray());
            case WeightFormat.Float16:
                var halves = values.Select(value => (Half)Math.Clamp(value, -65504, 65504)).ToArray();
                return (halves.SelectMany(BitConverter.GetBytes).ToArray(), halves.Select(value => (double)value).ToArray());
            default:
                var cut = values.Select(value => BitConverter.Int32BitsToSingle(BitConverter.SingleToInt32Bits(value) & ~0xFFFF)).ToArray();
                return (cut.SelectMany(value => BitConverter.GetBytes(value)[2..]).ToArray(), cut.Select(value => (double)value).ToArray());
        }
    }

    /// <summary>Random values of a magnitude, one in fifty a hundred times larger.</summary>
    public static float[] Values(Random random, int count, float scale)
    {
        var values = new float[count];
        for (var i = 0; i < count; i++)
            values[i] = (random.NextSingle() * 2 - 1) * scale * (random.Next(50) == 0 ? 100 : 1);
        return values;
    }

    /// <summary>Compares y = x · Wᵀ + b with sums in double: |Δy| ≤ (width + 2) · 2⁻²³ · Σ|w·x|.</summary>
    public static void AssertProduct(double[] weights, float[] x, float[]? bias, float[] y, int rows, int inWidth, int outWidth, string what)
    {
        for (var row = 0; row < rows; row++)
        {
            for (var output = 0; output < outWidth; output++)
            {
                double sum = bias?[output] ?? 0, magnitude = Math.Abs(sum);
                for (var k = 0; k < inWidth; k++)
                {
                    var product = weights[output * inWidth + k] * x[row * inWidth + k];
                    sum += product;
                    magnitude += Math.Abs(product);
                }

                Assert.True(Math.Abs(y[row * outWidth + output] - sum) <= (inWidth + 2) * Math.ScaleB(1, -23) * magnitude,
                    $"{what} [{rows}, {inWidth}] → {outWidth}: {y[row * outWidth + output]} for {sum} at ({row}, {output})");
            }
        }
    }
}
