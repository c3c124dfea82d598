using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using Generated.Kernels;

namespace Generated.Quant.Kernels;

/// <summary>Signed 8-bit codes in their natural order; zero points are int16.</summary>
internal readonly unsafe struct Int8Codes : ICodeFormat
{
    private const int Block = Int16Activations.Block;

    public static int BlockBytes => Block;

    public static int SymmetricZero => 0;

    public static int ZeroBytes => sizeof(short);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Zeros(byte* zeros)
        => Vector256.ConvertToSingle(Vector256.WidenLower(Vector128.Load((short*)zeros).ToVector256Unsafe()));

    public static float Zero(byte* zero) => *(short*)zero;

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static float DotAvx2(byte* codes, short* x, float* scales, int blocks, int blocksPerGroup)
    {
        var sum = Vector256<float>.Zero;
        // One index for both operands: a byte of codes stands for two bytes of activations.
        nint i = 0, end = blocks * Block, groupEnd = 0, groupBytes = blocksPerGroup * Block;
        while (i < end)
        {
            groupEnd = Math.Min(groupEnd + groupBytes, end);
            var group = Vector256<int>.Zero;
            for (; i <= groupEnd - 2 * Block; i += 2 * Block)
                group += Products(codes + i, x, i) + Products(codes + i + Block, x + Block, i);
            if (i < groupEnd)
            {
                group += Products(codes + i, x, i);
                i += Block;
            }
            sum = Fma.MultiplyAdd(Avx.ConvertToVector256Single(group), Vector256.Create(*scales++), sum);
        }
        return Vector256.Sum(sum);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void DotAvx2(byte* codes, short* x, float* xScales, short* z, float* zScales, int blocks, int blocksPerGroup, out float first, out float second)
    {
        Vector256<float> xSum = default, zSum = default;
        nint i = 0, end = blocks * Block, groupEnd = 0, groupBytes = blocksPerGroup * Block;
        while (i < end)
        {
            groupEnd = Math.Min(groupEnd + groupBytes, end);
            Vector256<int> xGroup = default, zGroup = default;
            for (; i < groupEnd; i += Block)
            {
                var (low, high) = Widen(codes + i);
                xGroup += Avx2.MultiplyAddAdjacent(low, Load(x, i)) + Avx2.MultiplyAddAdjacent(high, Load(x + 16, i));
                zGroup += Avx2.MultiplyAddAdjacent(low, Load(z, i)) + Avx2.MultiplyAddAdjacent(high, Load(z + 16, i));
            }
            xSum = Fma.MultiplyAdd(Avx.ConvertToVector256Single(xGroup), Vector256.Create(*xScales++), xSum);
            zSum = Fma.MultiplyAdd(Avx.ConvertToVector256Single(zGroup), Vector256.Create(*zScales++), zSum);
        }
        first = Vector256.Sum(xSum);
        second = Vector256.Sum(zSum);
    }

    /// <summary>Σ codes · x as an exact integer, for x that are themselves 8-bit codes.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static int IntegerDotAvx2(byte* codes, short* x, int blocks)
    {
        var sum = Vector256<int>.Zero;
        nint i = 0, end = blocks * Block;
        for (; i <= end - 2 * Block; i += 2 * Block)
            sum += Products(codes + i, x, i) + Products(codes + i + Block, x + Block, i);
        if (i < end)
            sum += Products(codes + i, x, i);
        return Vector256.Sum(sum);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static (Vector256<short> Low, Vector256<short> High) Widen(byte* codes)
        => (Avx2.ConvertToVector256Int16((sbyte*)codes), Avx2.ConvertToVector256Int16((sbyte*)codes + 16));

    public static int GroupSum(byte* codes, short* x, int blocks)
    {
        Vector128<int> a = default, b = default;
        for (var k = 0; k < blocks * Block; k += 8)
        {
            var w = Vector128.WidenLower(EightBytes.Load(codes + k).AsSByte());
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
            var wide = Vector128.WidenLower(EightBytes.Load(codes + k).AsSByte());
            Vector128.ConvertToSingle(Vector128.WidenLower(wide)).Store(values + k);
            Vector128.ConvertToSingle(Vector128.WidenUpper(wide)).Store(values + k + 4);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<int> Products(byte* codes, short* x, nint i)
    {
        var (low, high) = Widen(codes);
        return Avx2.MultiplyAddAdjacent(low, Load(x, i)) + Avx2.MultiplyAddAdjacent(high, Load(x + 16, i));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<short> Load(short* x, nint i) => Vector256.Load((short*)((byte*)x + 2 * i));
}
