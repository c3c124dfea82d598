using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Generated.Quant.Kernels;

/// <summary>Three rows of 8-bit weights against three rows of activations: each load serves three products, and nine sums fit the sixteen registers of AVX2.</summary>
internal static unsafe class IntegerTile
{
    public const int Rows = 3;
    public const int Outputs = 3;

    /// <param name="codes">Int8 codes of the first weight row.</param>
    /// <param name="rowBytes">Bytes from one weight row to the next.</param>
    /// <param name="x">First row of activations.</param>
    /// <param name="stride">Values from one row of activations to the next.</param>
    /// <param name="blocks">Blocks of 32 per row.</param>
    /// <param name="sums">[Outputs, Rows] exact sums.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Multiply(byte* codes, long rowBytes, short* x, long stride, int blocks, int* sums)
    {
        byte* w0 = codes, w1 = w0 + rowBytes, w2 = w1 + rowBytes;
        short* x0 = x, x1 = x0 + stride, x2 = x1 + stride;
        Vector256<int> s00 = default, s01 = default, s02 = default;
        Vector256<int> s10 = default, s11 = default, s12 = default;
        Vector256<int> s20 = default, s21 = default, s22 = default;
        nint end = blocks * Int16Activations.Block;
        for (nint k = 0; k < end; k += 16)
        {
            Vector256<short> a = Vector256.Load(x0 + k), b = Vector256.Load(x1 + k), c = Vector256.Load(x2 + k);
            var w = Avx2.ConvertToVector256Int16((sbyte*)w0 + k);
            s00 += Avx2.MultiplyAddAdjacent(w, a);
            s01 += Avx2.MultiplyAddAdjacent(w, b);
            s02 += Avx2.MultiplyAddAdjacent(w, c);
            w = Avx2.ConvertToVector256Int16((sbyte*)w1 + k);
            s10 += Avx2.MultiplyAddAdjacent(w, a);
            s11 += Avx2.MultiplyAddAdjacent(w, b);
            s12 += Avx2.MultiplyAddAdjacent(w, c);
            w = Avx2.ConvertToVector256Int16((sbyte*)w2 + k);
            s20 += Avx2.MultiplyAddAdjacent(w, a);
            s21 += Avx2.MultiplyAddAdjacent(w, b);
            s22 += Avx2.MultiplyAddAdjacent(w, c);
        }
        sums[0] = Vector256.Sum(s00);
        sums[1] = Vector256.Sum(s01);
        sums[2] = Vector256.Sum(s02);
        sums[3] = Vector256.Sum(s10);
        sums[4] = Vector256.Sum(s11);
        sums[5] = Vector256.Sum(s12);
        sums[6] = Vector256.Sum(s20);
        sums[7] = Vector256.Sum(s21);
        sums[8] = Vector256.Sum(s22);
    }
}
