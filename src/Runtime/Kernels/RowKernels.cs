using System.Runtime.Intrinsics;

namespace Generated.Kernels;

/// <summary>Small operations on rows of float32, on the calling thread. Input and output may be the same memory.</summary>
public static unsafe class RowKernels
{
    /// <summary>y = a + b.</summary>
    public static void Add(float* a, float* b, float* y, long count)
    {
        long k = 0;
        for (; k <= count - 8; k += 8)
            (Vector256.Load(a + k) + Vector256.Load(b + k)).Store(y + k);
        for (; k < count; k++)
            y[k] = a[k] + b[k];
    }

    /// <summary>Index of the largest value, the first of several. NaN counts as larger than any number, as in torch.argmax.</summary>
    /// <exception cref="ArgumentOutOfRangeException">count is not positive.</exception>
    public static int ArgMax(float* x, int count)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(count);
        var largest = Vector256.Create(float.NegativeInfinity);
        var k = 0;
        for (; k <= count - 8; k += 8)
            largest = Vector256.Max(largest, Vector256.Load(x + k)); // keeps NaN
        var best = float.NegativeInfinity;
        for (var lane = 0; lane < Vector256<float>.Count; lane++)
            best = MathF.Max(best, largest[lane]);
        for (; k < count; k++)
            best = MathF.Max(best, x[k]);
        var values = new ReadOnlySpan<float>(x, count);
        if (!float.IsNaN(best))
            return values.IndexOf(best);
        for (k = 0; !float.IsNaN(x[k]); k++)
        {
        }
        return k;
    }

    /// <summary>Widens bfloat16 exactly.</summary>
    public static void Widen(ushort* bfloat16, float* y, long count)
    {
        long k = 0;
        for (; k <= count - 8; k += 8)
            BFloat16.Load256(bfloat16 + k).Store(y + k);
        for (; k < count; k++)
            y[k] = BFloat16.Load(bfloat16 + k);
    }

    /// <summary>Widens to float32 exactly, and writes zeros up to the next multiple of 8.</summary>
    internal static void WidenPadded<TStored, TElement>(TStored* source, int count, float* y)
        where TStored : unmanaged
        where TElement : struct, IElement<TStored>
    {
        var k = 0;
        for (; k <= count - 8; k += 8)
            TElement.Load256(source + k).Store(y + k);
        if (k == count)
            return;
        Vector256<float>.Zero.Store(y + k);
        for (; k < count; k++)
            y[k] = TElement.Load(source + k);
    }

    /// <summary>Rounds to bfloat16, to nearest and ties to even; NaN stays NaN.</summary>
    public static void Narrow(float* x, ushort* bfloat16, long count)
    {
        long k = 0;
        for (; k <= count - 16; k += 16)
            Vector256.Narrow(Round(x + k), Round(x + k + 8)).Store(bfloat16 + k);
        for (; k < count; k++)
            bfloat16[k] = BFloat16.Round(x[k]);
    }

    /// <summary>Signed 8-bit codes round(x / scale), half to even, within −128…127. NaN has no code and becomes 0.</summary>
    /// <exception cref="ArgumentOutOfRangeException">scale is not a positive number.</exception>
    public static void Quantize(float* x, float scale, sbyte* codes, long count)
    {
        if (!(scale > 0 && float.IsFinite(scale)))
            throw new ArgumentOutOfRangeException(nameof(scale), scale, "A scale is a positive number.");
        for (long k = 0; k < count; k++)
            codes[k] = float.IsNaN(x[k]) ? (sbyte)0 : (sbyte)Math.Clamp(MathF.Round(x[k] / scale), sbyte.MinValue, sbyte.MaxValue);
    }

    /// <summary>Σ a · b in float32.</summary>
    internal static float Dot(float* a, float* b, int count)
    {
        Vector256<float> first = default, second = default;
        var k = 0;
        for (; k <= count - 16; k += 16)
        {
            first = Vector256.MultiplyAddEstimate(Vector256.Load(a + k), Vector256.Load(b + k), first);
            second = Vector256.MultiplyAddEstimate(Vector256.Load(a + k + 8), Vector256.Load(b + k + 8), second);
        }
        var sum = Vector256.Sum(first + second);
        for (; k < count; k++)
            sum += a[k] * b[k];
        return sum;
    }

    private static Vector256<uint> Round(float* x)
    {
        var value = Vector256.Load(x);
        var bits = value.AsUInt32();
        var upper = bits >>> 16;
        var rounded = (bits + Vector256.Create(0x7FFFu) + (upper & Vector256.Create(1u))) >>> 16;
        return Vector256.ConditionalSelect(Vector256.Equals(value, value).AsUInt32(), rounded, upper | Vector256.Create(0x40u));
    }
}
