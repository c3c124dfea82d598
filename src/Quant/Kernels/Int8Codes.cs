using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Generated.Quant.Kernels;

/// <summary>Signed 8-bit codes in their natural order; zero points are int16.</summary>
internal readonly unsafe struct Int8Codes : ICodeFormat
{
    private const int Block = Int16Activations.Block;

    public static int BlockBytes => Block;

    public static int SymmetricZero => 0;

    public static int ZeroBytes => sizeof(short);

    public static Vector256<float> Zeros(byte* zeros, long index)
        => Vector256.ConvertToSingle(Vector256.WidenLower(Vector128.Load((short*)zeros + index).ToVector256Unsafe()));

    public static float Zero(byte* zeros, long index) => ((short*)zeros)[index];

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static float DotAvx2(byte* codes, short* x, float* scales, int blocks, int blocksPerGroup)
    {
        var sum = Vector256<float>.Zero;
        byte* end = codes + (long)blocks * Block, groupEnd = codes;
        while (codes < end)
        {
            groupEnd += blocksPerGroup * Block;
            if (groupEnd > end)
                groupEnd = end;
            Vector256<int> low = default, high = default;
            do
            {
                low += Avx2.MultiplyAddAdjacent(Low(codes), Vector256.Load(x));
                high += Avx2.MultiplyAddAdjacent(High(codes), Vector256.Load(x + 16));
                codes += Block;
                x += Block;
            } while (codes < groupEnd);
            sum = Fma.MultiplyAdd(Avx.ConvertToVector256Single(low + high), Vector256.Create(*scales++), sum);
        }
        return Vector256.Sum(sum);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void DotAvx2(byte* codes, short* x, float* xScales, short* z, float* zScales, int blocks, int blocksPerGroup, out float first, out float second)
    {
        Vector256<float> xSum = default, zSum = default;
        byte* end = codes + (long)blocks * Block, groupEnd = codes;
        while (codes < end)
        {
            groupEnd += blocksPerGroup * Block;
            if (groupEnd > end)
                groupEnd = end;
            Vector256<int> xLow = default, xHigh = default, zLow = default, zHigh = default;
            do
            {
                Vector256<short> low = Low(codes), high = High(codes);
                xLow += Avx2.MultiplyAddAdjacent(low, Vector256.Load(x));
                xHigh += Avx2.MultiplyAddAdjacent(high, Vector256.Load(x + 16));
                zLow += Avx2.MultiplyAddAdjacent(low, Vector256.Load(z));
                zHigh += Avx2.MultiplyAddAdjacent(high, Vector256.Load(z + 16));
                codes += Block;
                x += Block;
                z += Block;
            } while (codes < groupEnd);
            xSum = Fma.MultiplyAdd(Avx.ConvertToVector256Single(xLow + xHigh), Vector256.Create(*xScales++), xSum);
            zSum = Fma.MultiplyAdd(Avx.ConvertToVector256Single(zLow + zHigh), Vector256.Create(*zScales++), zSum);
        }
        first = Vector256.Sum(xSum);
        second = Vector256.Sum(zSum);
    }

    /// <summary>Σ codes · x as an exact integer, for x that are themselves 8-bit codes.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static int IntegerDotAvx2(byte* codes, short* x, int blocks)
    {
        Vector256<int> low = default, high = default;
        for (var end = codes + (long)blocks * Block; codes < end; codes += Block, x += Block)
        {
            low += Avx2.MultiplyAddAdjacent(Low(codes), Vector256.Load(x));
            high += Avx2.MultiplyAddAdjacent(High(codes), Vector256.Load(x + 16));
        }
        return Vector256.Sum(low + high);
    }

    public static int GroupSum(byte* codes, short* x, int blocks)
    {
        Vector128<int> a = default, b = default;
        for (var k = 0; k < blocks * Block; k += 8)
        {
            var w = Vector128.WidenLower(Vector64.Load((sbyte*)codes + k).ToVector128Unsafe());
            var v = Vector128.Load(x + k);
            a += Vector128.WidenLower(w) * Vector128.WidenLower(v);
            b += Vector128.WidenUpper(w) * Vector128.WidenUpper(v);
        }
        return Vector128.Sum(a + b);
    }

    public static void Unpack(byte* codes, float* values, int blocks)
    {
        for (var k = 0; k < blocks * Block; k += 8)
        {
            var wide = Vector128.WidenLower(Vector64.Load((sbyte*)codes + k).ToVector128Unsafe());
            Vector128.ConvertToSingle(Vector128.WidenLower(wide)).Store(values + k);
            Vector128.ConvertToSingle(Vector128.WidenUpper(wide)).Store(values + k + 4);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<short> Low(byte* codes) => Avx2.ConvertToVector256Int16((sbyte*)codes);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<short> High(byte* codes) => Avx2.ConvertToVector256Int16((sbyte*)codes + 16);
}
