using System.Numerics;
using System.Runtime.InteropServices;

namespace Generated.Checkpoints.Views;

/// <summary>
/// F32 to F16 and back in vectors; .NET's own conversion is scalar. Rounds to nearest even; NaN stays NaN, overflow becomes infinity.
/// (Method: integer arithmetic on the exponent, with one float addition that lets the hardware round subnormals; F. Giesen, "Float to half conversions".)
/// </summary>
internal static class HalfConversion
{
    private const int MantissaShift = 23 - 10;
    private const uint Sign = 0x80000000;
    private const uint SingleInfinity = 255u << 23;
    private const uint TooLarge = (127u + 16) << 23;
    private const uint SmallestNormal = (127u - 14) << 23;
    private const uint SubnormalMagic = (127u - 15 + MantissaShift + 1) << 23;
    private const uint Rebias = unchecked((uint)((15 - 127) << 23));
    private const uint HalfInfinity = 0x7c00;
    private const uint HalfNaN = 0x7e00;

    public static void ToHalf(ReadOnlySpan<float> values, Span<ushort> halves)
    {
        var i = 0;
        var bits = MemoryMarshal.Cast<float, uint>(values);
        for (; i <= bits.Length - (2 * Vector<uint>.Count); i += 2 * Vector<uint>.Count)
        {
            var low = ToHalf(new Vector<uint>(bits[i..]));
            var high = ToHalf(new Vector<uint>(bits[(i + Vector<uint>.Count)..]));
            Vector.Narrow(low, high).CopyTo(halves[i..]);
        }

        for (; i < values.Length; i++)
            halves[i] = BitConverter.HalfToUInt16Bits((Half)values[i]);
    }

    public static void ToSingle(ReadOnlySpan<ushort> halves, Span<float> values)
    {
        var i = 0;
        var bits = MemoryMarshal.Cast<float, uint>(values);
        for (; i <= halves.Length - Vector<ushort>.Count; i += Vector<ushort>.Count)
        {
            Vector.Widen(new Vector<ushort>(halves[i..]), out var low, out var high);
            ToSingle(low).CopyTo(bits[i..]);
            ToSingle(high).CopyTo(bits[(i + Vector<uint>.Count)..]);
        }

        for (; i < halves.Length; i++)
            values[i] = (float)BitConverter.UInt16BitsToHalf(halves[i]);
    }

    private static Vector<uint> ToHalf(Vector<uint> bits)
    {
        var sign = bits & new Vector<uint>(Sign);
        var magnitude = bits ^ sign;
        var magic = new Vector<uint>(SubnormalMagic);
        var subnormal = Vector.AsVectorUInt32(Vector.AsVectorSingle(magnitude) + Vector.AsVectorSingle(magic)) - magic;
        var isOdd = (magnitude >>> MantissaShift) & Vector<uint>.One;
        var normal = (magnitude + new Vector<uint>(unchecked(Rebias + 0xfff)) + isOdd) >>> MantissaShift;
        var finite = Vector.ConditionalSelect(Vector.LessThan(magnitude, new Vector<uint>(SmallestNormal)), subnormal, normal);
        var special = Vector.ConditionalSelect(
            Vector.GreaterThan(magnitude, new Vector<uint>(SingleInfinity)), new Vector<uint>(HalfNaN), new Vector<uint>(HalfInfinity));
        return Vector.ConditionalSelect(Vector.LessThan(magnitude, new Vector<uint>(TooLarge)), finite, special) | (sign >>> 16);
    }

    private static Vector<uint> ToSingle(Vector<uint> half)
    {
        var sign = (half & new Vector<uint>(0x8000)) << 16;
        var shifted = (half & new Vector<uint>(0x7fff)) << MantissaShift;
        var infinity = new Vector<uint>(HalfInfinity << MantissaShift);
        var exponent = shifted & infinity;
        var normal = shifted - new Vector<uint>(Rebias);
        var special = normal + new Vector<uint>((128u - 16) << 23);
        var smallest = new Vector<uint>(SmallestNormal);
        var subnormal = Vector.AsVectorUInt32(Vector.AsVectorSingle(shifted + smallest) - Vector.AsVectorSingle(smallest));
        var finite = Vector.ConditionalSelect(Vector.Equals(exponent, Vector<uint>.Zero), subnormal, normal);
        return Vector.ConditionalSelect(Vector.Equals(exponent, infinity), special, finite) | sign;
    }
}
