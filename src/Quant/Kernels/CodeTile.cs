using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Generated.Quant.Kernels;

/// <summary>
/// Three rows of codes against three rows of int16 activations in AVX2: codes are widened once for three products, and a group's nine
/// integer sums stay in registers. Additions are in the order of <see cref="ICodeFormat.DotAvx2(byte*, short*, float*, int, int)"/>, so
/// that a row gets the same outputs alone and among others.
/// </summary>
internal static unsafe class CodeTile<TFormat>
    where TFormat : struct, ICodeFormat
{
    public const int Rows = 3;
    public const int Outputs = 3;

    /// <param name="codes">The first row of codes.</param>
    /// <param name="rowBytes">Bytes from one row of codes to the next.</param>
    /// <param name="x">The first row of activations.</param>
    /// <param name="stride">Values from one row of activations to the next.</param>
    /// <param name="blocks">Blocks of 32 per row.</param>
    /// <param name="blocksPerGroup">Blocks that share a scale.</param>
    /// <param name="weightScales">[Outputs, ≥ groups] scales of the weights' groups.</param>
    /// <param name="weightStride">Scales from one output to the next.</param>
    /// <param name="scales">[Rows, ≥ groups] scales of the activations' groups.</param>
    /// <param name="scaleStride">Scales from one row to the next.</param>
    /// <param name="sums">[Outputs, Rows] Σ over groups of scale · scale · Σ codes · x.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Multiply(
        byte* codes, nint rowBytes, short* x, nint stride, int blocks, int blocksPerGroup, float* weightScales, nint weightStride, float* scales, nint scaleStride, float* sums)
    {
        Vector256<float> f00 = default, f01 = default, f02 = default;
        Vector256<float> f10 = default, f11 = default, f12 = default;
        Vector256<float> f20 = default, f21 = default, f22 = default;
        byte* w0 = codes, w1 = w0 + rowBytes, w2 = w1 + rowBytes;
        short* x0 = x, x1 = x0 + stride, x2 = x1 + stride;
        nint groupBytes = blocksPerGroup * TFormat.BlockBytes;
        // One index for both operands: a block's bytes of codes stand for 64 bytes of activations.
        for (nint i = 0, end = blocks * TFormat.BlockBytes, groupEnd = 0; i < end; scales++, weightScales++)
        {
            groupEnd = Math.Min(groupEnd + groupBytes, end);
            Vector256<int> s00 = default, s01 = default, s02 = default;
            Vector256<int> s10 = default, s11 = default, s12 = default;
            Vector256<int> s20 = default, s21 = default, s22 = default;
            for (; i < groupEnd; i += TFormat.BlockBytes)
            {
                var (low, high) = TFormat.Widen(w0 + i);
                s00 += Product(low, high, x0, i);
                s01 += Product(low, high, x1, i);
                s02 += Product(low, high, x2, i);
                (low, high) = TFormat.Widen(w1 + i);
                s10 += Product(low, high, x0, i);
                s11 += Product(low, high, x1, i);
                s12 += Product(low, high, x2, i);
                (low, high) = TFormat.Widen(w2 + i);
                s20 += Product(low, high, x0, i);
                s21 += Product(low, high, x1, i);
                s22 += Product(low, high, x2, i);
            }

            var (a, b, c) = (Vector256.Create(scales[0]), Vector256.Create(scales[scaleStride]), Vector256.Create(scales[2 * scaleStride]));
            var scale = Vector256.Create(weightScales[0]);
            f00 = Add(f00, s00, scale * a);
            f01 = Add(f01, s01, scale * b);
            f02 = Add(f02, s02, scale * c);
            scale = Vector256.Create(weightScales[weightStride]);
            f10 = Add(f10, s10, scale * a);
            f11 = Add(f11, s11, scale * b);
            f12 = Add(f12, s12, scale * c);
            scale = Vector256.Create(weightScales[2 * weightStride]);
            f20 = Add(f20, s20, scale * a);
            f21 = Add(f21, s21, scale * b);
            f22 = Add(f22, s22, scale * c);
        }

        sums[0] = Vector256.Sum(f00);
        sums[1] = Vector256.Sum(f01);
        sums[2] = Vector256.Sum(f02);
        sums[3] = Vector256.Sum(f10);
        sums[4] = Vector256.Sum(f11);
        sums[5] = Vector256.Sum(f12);
        sums[6] = Vector256.Sum(f20);
        sums[7] = Vector256.Sum(f21);
        sums[8] = Vector256.Sum(f22);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<int> Product(Vector256<short> low, Vector256<short> high, short* x, nint codeByte)
        => Avx2.MultiplyAddAdjacent(low, Load(x, codeByte)) + Avx2.MultiplyAddAdjacent(high, Load(x + Int16Activations.Block / 2, codeByte));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<short> Load(short* x, nint codeByte)
        => Vector256.Load((short*)((byte*)x + codeByte * (Int16Activations.Block * sizeof(short) / TFormat.BlockBytes)));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<float> Add(Vector256<float> sum, Vector256<int> group, Vector256<float> scale)
        => Fma.MultiplyAdd(Avx.ConvertToVector256Single(group), scale, sum);
}
