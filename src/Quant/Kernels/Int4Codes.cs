using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using Generated.Kernels;

namespace Generated.Quant.Kernels;

/// <summary>
/// Unsigned 4-bit codes, 32 in 16 bytes: byte j of a block holds code j in its low and code j + 16 in its high half, so that one
/// widening load, one mask and one shift make two vectors of int16 in the order of the activations. Zero points are bytes.
/// </summary>
internal readonly unsafe struct Int4Codes : ICodeFormat
{
    private const int Block = Int16Activations.Block;
    private const int Bytes = Block / 2;

    public static int BlockBytes => Bytes;

    public static int SymmetricZero => 8;

    public static int ZeroBytes => 1;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Zeros(byte* zeros)
    {
        var wide = Vector128.WidenLower(EightBytes.Load(zeros));
        return Vector256.ConvertToSingle(Vector256.WidenLower(wide.ToVector256Unsafe()).AsInt32());
    }

    /// <summary>Byte of a row that holds code <paramref name="k"/>.</summary>
    public static int ByteOf(int k) => k / Block * Bytes + k % Bytes;

    /// <summary>Place of code <paramref name="k"/> within its byte, in bits.</summary>
    public static int ShiftOf(int k) => k % Block < Bytes ? 0 : 4;

    public static float Zero(byte* zero) => *zero;

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static float DotAvx2(byte* codes, short* x, float* scales, int blocks, int blocksPerGroup)
    {
        var mask = Vector256.Create((short)0xF);
        var sum = Vector256<float>.Zero;
        // One index for both operands: a byte of codes stands for four bytes of activations.
        nint i = 0, end = blocks * Bytes, groupEnd = 0, groupBytes = blocksPerGroup * Bytes;
        while (i < end)
        {
            groupEnd = Math.Min(groupEnd + groupBytes, end);
            var group = Vector256<int>.Zero;
            for (; i <= groupEnd - 2 * Bytes; i += 2 * Bytes)
                group += Products(codes + i, x, i, mask) + Products(codes + i + Bytes, x + Block, i, mask);
            if (i < groupEnd)
            {
                group += Products(codes + i, x, i, mask);
                i += Bytes;
            }
            sum = Fma.MultiplyAdd(Avx.ConvertToVector256Single(group), Vector256.Create(*scales++), sum);
        }
        return Vector256.Sum(sum);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void DotAvx2(byte* codes, short* x, float* xScales, short* z, float* zScales, int blocks, int blocksPerGroup, out float first, out float second)
    {
        var mask = Vector256.Create((short)0xF);
        Vector256<float> xSum = default, zSum = default;
        nint i = 0, end = blocks * Bytes, groupEnd = 0, groupBytes = blocksPerGroup * Bytes;
        while (i < end)
        {
            groupEnd = Math.Min(groupEnd + groupBytes, end);
            Vector256<int> xGroup = default, zGroup = default;
            for (; i < groupEnd; i += Bytes)
            {
                var pair = Avx2.ConvertToVector256Int16(codes + i);
                Vector256<short> low = pair & mask, high = pair >>> 4;
                xGroup += Avx2.MultiplyAddAdjacent(low, Load(x, i)) + Avx2.MultiplyAddAdjacent(high, Load(x + 16, i));
                zGroup += Avx2.MultiplyAddAdjacent(low, Load(z, i)) + Avx2.MultiplyAddAdjacent(high, Load(z + 16, i));
            }
            xSum = Fma.MultiplyAdd(Avx.ConvertToVector256Single(xGroup), Vector256.Create(*xScales++), xSum);
            zSum = Fma.MultiplyAdd(Avx.ConvertToVector256Single(zGroup), Vector256.Create(*zScales++), zSum);
        }
        first = Vector256.Sum(xSum);
        second = Vector256.Sum(zSum);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static (Vector256<short> Low, Vector256<short> High) Widen(byte* codes)
    {
        var pair = Avx2.ConvertToVector256Int16(codes);
        return (pair & Vector256.Create((short)0xF), pair >>> 4);
    }

    public static int GroupSum(byte* codes, short* x, int blocks)
    {
        var mask = Vector128.Create((short)0xF);
        Vector128<int> a = default, b = default;
        for (var block = 0; block < blocks; block++, codes += Bytes, x += Block)
        {
            for (var k = 0; k < Bytes; k += 8)
            {
                var pair = Vector128.WidenLower(EightBytes.Load(codes + k)).AsInt16();
                Vector128<short> low = pair & mask, high = pair >>> 4, v = Vector128.Load(x + k), u = Vector128.Load(x + 16 + k);
                a += Vector128.WidenLower(low) * Vector128.WidenLower(v) + Vector128.WidenLower(high) * Vector128.WidenLower(u);
                b += Vector128.WidenUpper(low) * Vector128.WidenUpper(v) + Vector128.WidenUpper(high) * Vector128.WidenUpper(u);
            }
        }
        return Vector128.Sum(a + b);
    }

    public static void Unpack(byte* codes, float* values, int blocks)
    {
        var mask = Vector128.Create((short)0xF);
        for (var block = 0; block < blocks; block++, codes += Bytes, values += Block)
        {
            for (var k = 0; k < Bytes; k += 8)
            {
                var pair = Vector128.WidenLower(EightBytes.Load(codes + k)).AsInt16();
                Vector128<short> low = pair & mask, high = pair >>> 4;
                Vector128.ConvertToSingle(Vector128.WidenLower(low)).Store(values + k);
                Vector128.ConvertToSingle(Vector128.WidenUpper(low)).Store(values + k + 4);
                Vector128.ConvertToSingle(Vector128.WidenLower(high)).Store(values + k + 16);
                Vector128.ConvertToSingle(Vector128.WidenUpper(high)).Store(values + k + 20);
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<int> Products(byte* codes, short* x, nint i, Vector256<short> mask)
    {
        var pair = Avx2.ConvertToVector256Int16(codes);
        return Avx2.MultiplyAddAdjacent(pair & mask, Load(x, i)) + Avx2.MultiplyAddAdjacent(pair >>> 4, Load(x + 16, i));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<short> Load(short* x, nint i) => Vector256.Load((short*)((byte*)x + 4 * i));
}
