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
}
