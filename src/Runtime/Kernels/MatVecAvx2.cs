using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Generated.Kernels;

/// <summary>The matrix-vector product in AVX2: one weight row at a time, against one or two input rows.</summary>
/// <remarks>
/// One row at a time reads memory as a single stream, which hardware prefetchers follow across rows. Several rows at once share the
/// loads of the input but cost half the bandwidth where rows lie a power of two apart, as they mostly do.
/// All loops sum in the same order, so that an output does not depend on the other rows of the batch.
/// </remarks>
internal static unsafe class MatVecAvx2<TStored, TElement>
    where TStored : unmanaged
    where TElement : struct, IElement<TStored>
{
    /// <summary>Computes outputs <paramref name="start"/> up to <paramref name="end"/> of every input row.</summary>
    public static void Multiply(in MatVecOperands<TStored> operands, int start, int end)
    {
        var width = operands.InWidth;
        for (var output = start; output < end; output++)
        {
            var weights = operands.Weights + (long)output * width;
            var row = 0;
            for (; row <= operands.Rows - 2; row += 2)
            {
                var x = operands.X + (long)row * width;
                Dot(weights, x, x + width, width, out var first, out var second);
                operands.Store(row, output, first);
                operands.Store(row + 1, output, second);
            }
            if (row < operands.Rows)
                operands.Store(row, output, Dot(weights, operands.X + (long)row * width, width));
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)] // no slow first calls
    private static float Dot(TStored* weights, float* x, int width)
    {
        Vector256<float> a = default, b = default, c = default, d = default;
        nint k = 0, unrolled = width & ~31, whole = width & ~7;
        for (; k < unrolled; k += 32)
        {
            a = Fma.MultiplyAdd(TElement.Load256(weights + k), Vector256.Load(x + k), a);
            b = Fma.MultiplyAdd(TElement.Load256(weights + k + 8), Vector256.Load(x + k + 8), b);
            c = Fma.MultiplyAdd(TElement.Load256(weights + k + 16), Vector256.Load(x + k + 16), c);
            d = Fma.MultiplyAdd(TElement.Load256(weights + k + 24), Vector256.Load(x + k + 24), d);
        }
        for (; k < whole; k += 8)
            a = Fma.MultiplyAdd(TElement.Load256(weights + k), Vector256.Load(x + k), a);
        return Finish(weights, x, k, width, a, b, c, d);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Dot(TStored* weights, float* x, float* z, int width, out float first, out float second)
    {
        Vector256<float> a = default, b = default, c = default, d = default;
        Vector256<float> e = default, f = default, g = default, h = default;
        nint k = 0, unrolled = width & ~31, whole = width & ~7;
        for (; k < unrolled; k += 32)
        {
            var w = TElement.Load256(weights + k);
            a = Fma.MultiplyAdd(w, Vector256.Load(x + k), a);
            e = Fma.MultiplyAdd(w, Vector256.Load(z + k), e);
            w = TElement.Load256(weights + k + 8);
            b = Fma.MultiplyAdd(w, Vector256.Load(x + k + 8), b);
            f = Fma.MultiplyAdd(w, Vector256.Load(z + k + 8), f);
            w = TElement.Load256(weights + k + 16);
            c = Fma.MultiplyAdd(w, Vector256.Load(x + k + 16), c);
            g = Fma.MultiplyAdd(w, Vector256.Load(z + k + 16), g);
            w = TElement.Load256(weights + k + 24);
            d = Fma.MultiplyAdd(w, Vector256.Load(x + k + 24), d);
            h = Fma.MultiplyAdd(w, Vector256.Load(z + k + 24), h);
        }
        for (; k < whole; k += 8)
        {
            var w = TElement.Load256(weights + k);
            a = Fma.MultiplyAdd(w, Vector256.Load(x + k), a);
            e = Fma.MultiplyAdd(w, Vector256.Load(z + k), e);
        }
        first = Finish(weights, x, k, width, a, b, c, d);
        second = Finish(weights, z, k, width, e, f, g, h);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static float Finish(TStored* weights, float* x, nint k, int width, Vector256<float> a, Vector256<float> b, Vector256<float> c, Vector256<float> d)
    {
        var sum = Vector256.Sum((a + b) + (c + d));
        for (; k < width; k++)
            sum += TElement.Load(weights + k) * x[k];
        return sum;
    }
}
