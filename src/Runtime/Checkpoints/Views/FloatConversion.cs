using System.Numerics;
using System.Runtime.InteropServices;

namespace Generated.Checkpoints.Views;

/// <summary>Between F64, F32, F16 and BF16, rounding to nearest even, as torch does. NaN stays NaN.</summary>
internal static class FloatConversion
{
    private const uint Exponent = 0x7f800000;
    private const uint Magnitude = 0x7fffffff;
    private const ushort BrainNaN = 0x7fc0;
    private const int Block = 4096;

    public static bool IsFloat(DType dtype) => dtype is DType.F64 or DType.F32 or DType.F16 or DType.BF16;

    public static void Convert(ReadOnlySpan<byte> source, DType from, Span<byte> destination, DType to)
    {
        Span<float> block = stackalloc float[Block];
        var (fromSize, toSize) = (from.Size(), to.Size());
        for (var at = 0; at < source.Length / fromSize; at += Block)
        {
            var count = Math.Min(Block, (source.Length / fromSize) - at);
            var input = source.Slice(at * fromSize, count * fromSize);
            var output = destination.Slice(at * toSize, count * toSize);

            // Through F32, but for pairs that F32 would round twice or not hold.
            if (from == DType.F64)
            {
                FromDouble(MemoryMarshal.Cast<byte, double>(input), output, to);
                continue;
            }

            var values = block[..count];
            Widen(input, from, values);
            Narrow(values, output, to);
        }
    }

    private static void Widen(ReadOnlySpan<byte> input, DType from, Span<float> values)
    {
        switch (from)
        {
            case DType.F32:
                MemoryMarshal.Cast<byte, float>(input).CopyTo(values);
                break;
            case DType.F16:
                HalfConversion.ToSingle(MemoryMarshal.Cast<byte, ushort>(input), values);
                break;
            default:
                FromBrain(MemoryMarshal.Cast<byte, ushort>(input), MemoryMarshal.Cast<float, uint>(values));
                break;
        }
    }

    private static void Narrow(ReadOnlySpan<float> values, Span<byte> output, DType to)
    {
        switch (to)
        {
            case DType.F64:
                var doubles = MemoryMarshal.Cast<byte, double>(output);
                for (var i = 0; i < values.Length; i++)
                    doubles[i] = values[i];
                break;
            case DType.F32:
                MemoryMarshal.AsBytes(values).CopyTo(output);
                break;
            case DType.F16:
                HalfConversion.ToHalf(values, MemoryMarshal.Cast<byte, ushort>(output));
                break;
            default:
                ToBrain(MemoryMarshal.Cast<float, uint>(values), MemoryMarshal.Cast<byte, ushort>(output));
                break;
        }
    }

    private static void FromBrain(ReadOnlySpan<ushort> brains, Span<uint> bits)
    {
        var i = 0;
        for (; i <= brains.Length - Vector<ushort>.Count; i += Vector<ushort>.Count)
        {
            Vector.Widen(new Vector<ushort>(brains[i..]), out var low, out var high);
            (low << 16).CopyTo(bits[i..]);
            (high << 16).CopyTo(bits[(i + Vector<uint>.Count)..]);
        }

        for (; i < brains.Length; i++)
            bits[i] = (uint)brains[i] << 16;
    }

    private static void ToBrain(ReadOnlySpan<uint> bits, Span<ushort> brains)
    {
        var i = 0;
        for (; i <= bits.Length - (2 * Vector<uint>.Count); i += 2 * Vector<uint>.Count)
        {
            var low = ToBrain(new Vector<uint>(bits[i..]));
            var high = ToBrain(new Vector<uint>(bits[(i + Vector<uint>.Count)..]));
            Vector.Narrow(low, high).CopyTo(brains[i..]);
        }

        for (; i < bits.Length; i++)
        {
            brains[i] = (bits[i] & Magnitude) > Exponent
                ? BrainNaN
                : (ushort)((bits[i] + 0x7fff + ((bits[i] >> 16) & 1)) >> 16);
        }
    }

    private static Vector<uint> ToBrain(Vector<uint> bits)
    {
        var rounded = (bits + new Vector<uint>(0x7fff) + ((bits >>> 16) & Vector<uint>.One)) >>> 16;
        var isNaN = Vector.GreaterThan(bits & new Vector<uint>(Magnitude), new Vector<uint>(Exponent));
        return Vector.ConditionalSelect(isNaN, new Vector<uint>(BrainNaN), rounded);
    }

    private static void FromDouble(ReadOnlySpan<double> values, Span<byte> output, DType to)
    {
        switch (to)
        {
            case DType.F64:
                MemoryMarshal.AsBytes(values).CopyTo(output);
                break;
            case DType.F32:
                var singles = MemoryMarshal.Cast<byte, float>(output);
                for (var i = 0; i < values.Length; i++)
                    singles[i] = (float)values[i];
                break;
            default:
                // torch goes through F32 here as well.
                Span<float> narrow = stackalloc float[values.Length];
                for (var i = 0; i < values.Length; i++)
                    narrow[i] = (float)values[i];
                Narrow(narrow, output, to);
                break;
        }
    }
}
