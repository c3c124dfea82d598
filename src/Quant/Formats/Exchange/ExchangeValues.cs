using Generated.Checkpoints;
using Generated.Quant.Weights;

namespace Generated.Quant.Formats.Exchange;

/// <summary>Scales and zero points as exchanged layouts have them: by group first, scales in float16.</summary>
internal static class ExchangeValues
{
    /// <summary>The zero point of an output's group, also where it is not stored.</summary>
    public static int Zero(QuantizedWeight weight, int output, int group) => weight.Zeros is { } zeros ? zeros[output * weight.Groups + group] : 1 << (weight.Bits - 1);

    /// <summary>Scales as [groups, out] float16.</summary>
    /// <exception cref="InvalidInputException">One is beyond float16.</exception>
    public static Half[] Scales(QuantizedWeight weight)
    {
        var scales = new Half[weight.Scales.Length];
        for (var o = 0; o < weight.OutWidth; o++)
        {
            for (var g = 0; g < weight.Groups; g++)
            {
                var scale = weight.Scales[o * weight.Groups + g];
                scales[g * weight.OutWidth + o] = (Half)scale;
                if (!Half.IsFinite((Half)scale) || ((Half)scale == Half.Zero && scale != 0))
                    throw new InvalidInputException($"a scale of {scale} is beyond float16, in which the layout stores scales");
            }
        }

        return scales;
    }

    /// <summary>Scales of a file as [out, groups] float32.</summary>
    public static float[] Scales(ITensorSource file, string name, int outWidth, int groups)
    {
        var key = name + ".scales";
        var stored = file.Info(key).DType switch
        {
            DType.F16 => Array.ConvertAll(PackedParts.Values<Half>(file, key), h => (float)h),
            DType.BF16 => Array.ConvertAll(PackedParts.Values<ushort>(file, key), b => BitConverter.UInt32BitsToSingle((uint)b << 16)),
            _ => PackedParts.Values<float>(file, key),
        };
        var scales = new float[stored.Length];
        for (var g = 0; g < groups; g++)
            for (var o = 0; o < outWidth; o++)
                scales[o * groups + g] = stored[g * outWidth + o];
        return scales;
    }

    /// <summary>Zero points as [out, groups]; null where all are the middle one.</summary>
    /// <exception cref="InvalidInputException">One does not fit a byte.</exception>
    public static byte[]? Zeros(string name, int bits, int outWidth, int groups, Func<int, int, int> zero)
    {
        var zeros = new byte[outWidth * groups];
        for (var o = 0; o < outWidth; o++)
        {
            for (var g = 0; g < groups; g++)
            {
                var value = zero(o, g);
                if (value > byte.MaxValue)
                    throw new InvalidInputException($"'{name}' has a zero point of {value}, which no code reaches; convert the checkpoint to the second version of its format.");
                zeros[o * groups + g] = (byte)value;
            }
        }

        return zeros.AsSpan().IndexOfAnyExcept((byte)(1 << (bits - 1))) < 0 ? null : zeros;
    }
}
