using Generated.Quant.Kernels;
using Generated.Quant.Kernels.Cuda;

namespace Quant.Tests.Kernels;

/// <summary>A weight in tiles is the weight: read back code by code as low_bit.cu documents the layout.</summary>
public sealed unsafe class TileLayoutTests
{
    [Theory]
    [InlineData(4, 160, 37, 0, true, 0)]
    [InlineData(4, 160, 37, 0, false, 1)]
    [InlineData(4, 256, 48, 128, false, 1)]
    [InlineData(4, 520, 20, 256, false, 1)]
    [InlineData(4, 320, 16, 64, true, 2)]
    [InlineData(4, 416, 33, 32, false, 4)]
    [InlineData(8, 160, 37, 0, true, 0)]
    [InlineData(8, 192, 40, 64, false, 1)]
    [InlineData(8, 200, 17, 32, false, 2)]
    public void Tiles_HoldTheWeight(int bits, int inWidth, int outWidth, int groupSize, bool isSymmetric, int groupsPerTile)
    {
        using var matrix = Matrix(bits, inWidth, outWidth, groupSize, isSymmetric, halfScales: bits == 4);
        Assert.Equal(groupsPerTile, TileLayout.GroupsPerTile(matrix));
        var expected = new float[outWidth * inWidth];
        fixed (float* values = expected)
            matrix.Dequantize(values, 0, outWidth);

        var perRow = TileLayout.TilesPerRow(bits, inWidth);
        var tiles = new byte[TileLayout.TileRows(outWidth) * perRow * TileLayout.Bytes];
        fixed (byte* bytes = tiles)
            TileLayout.WriteCodes(matrix, bytes);
        var table = TileLayout.Scales(matrix);
        for (var o = 0; o < outWidth; o++)
        {
            for (var k = 0; k < inWidth; k++)
            {
                var (scale, offset) = Scale(table, matrix, o, k / matrix.GroupSize);
                var tile = tiles.AsSpan((o / 16 * perRow + k / TileLayout.Columns(bits)) * TileLayout.Bytes, TileLayout.Bytes);
                var lane = tile[(o % 16 / 8 * 512 + 64 * (o % 8) + 16 * (k % 32 / 8))..];
                Assert.Equal(expected[o * inWidth + k], (Code(bits, lane, k % TileLayout.Columns(bits) / 32, k % 8) + offset) * scale);
            }
        }
    }

    /// <summary>A code as the kernel widens it: a 4-bit one on 128.</summary>
    private static float Code(int bits, ReadOnlySpan<byte> lane, int block, int column)
    {
        if (bits == 8)
            return (sbyte)lane[8 * block + column];
        var word = BitConverter.ToUInt32(lane[(4 * block)..]);
        return 128 + ((word >> 4 * (column % 2 == 0 ? column / 2 : column / 2 + 4)) & 15);
    }

    private static (float Scale, float Offset) Scale(uint[] table, PackedMatrix matrix, int output, int group)
    {
        var index = (output / 16 * matrix.Groups + group) * 16 + output % 16;
        return matrix.Storage.HalfScales
            ? ((float)BitConverter.UInt16BitsToHalf((ushort)table[index]), BitConverter.UInt32BitsToSingle(table[index] & 0xFFFF0000))
            : (BitConverter.UInt32BitsToSingle(table[2 * index]), BitConverter.UInt32BitsToSingle(table[2 * index + 1] << 16));
    }

    private static PackedMatrix Matrix(int bits, int inWidth, int outWidth, int groupSize, bool isSymmetric, bool halfScales)
    {
        var random = new Random(1);
        var groups = groupSize == 0 ? 1 : (inWidth + groupSize - 1) / groupSize;
        var codes = new byte[outWidth * inWidth];
        random.NextBytes(codes);
        var scales = Enumerable.Range(0, outWidth * groups).Select(_ => (float)random.NextDouble() * 0.01f).Select(s => halfScales ? (float)(Half)s : s).ToArray();
        var zeros = isSymmetric ? [] : Enumerable.Range(0, scales.Length).Select(_ => random.Next(bits == 4 ? 0 : -128, bits == 4 ? 17 : 128)).ToArray();
        return bits == 4
            ? new PackedInt4Matrix(outWidth, inWidth, Array.ConvertAll(codes, c => (byte)(c & 15)), scales, groupSize, Array.ConvertAll(zeros, z => (byte)z))
            : new PackedInt8Matrix(outWidth, inWidth, Array.ConvertAll(codes, c => (sbyte)c), scales, groupSize, Array.ConvertAll(zeros, z => (short)z));
    }
}
