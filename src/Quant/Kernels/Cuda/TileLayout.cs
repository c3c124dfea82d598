using System.Runtime.CompilerServices;

namespace Generated.Quant.Kernels.Cuda;

/// <summary>
/// The layout in which <c>low_bit.cu</c> reads a weight: tiles of 16 outputs by 1024 bytes of codes, a lane's share of each in 16 bytes, so that a warp
/// reads whole lines and one mask unpacks a pair of codes. What is missing at the edges is zero.
/// </summary>
internal static unsafe class TileLayout
{
    /// <summary>Outputs of a tile.</summary>
    public const int Rows = 16;

    /// <summary>Bytes of a tile's codes.</summary>
    public const int Bytes = 1024;

    private const int Block = 32; // columns, of which each of a row's 4 lanes has 8
    private const int Lanes = 4;

    /// <summary>Columns of a tile.</summary>
    public static int Columns(int bits) => bits == 4 ? 128 : 64;

    /// <summary>Tiles of a row of tiles.</summary>
    public static int TilesPerRow(int bits, int inWidth) => (inWidth + Columns(bits) - 1) / Columns(bits);

    /// <summary>Rows of tiles.</summary>
    public static int TileRows(int outWidth) => (outWidth + Rows - 1) / Rows;

    /// <summary>Groups that a tile's columns may lie in, as the kernels are compiled for it: 0 where each output has one scale and no zero point.</summary>
    public static int GroupsPerTile(PackedMatrix matrix)
    {
        var columns = Columns(matrix.Bits);
        if (matrix.Groups == 1)
            return matrix.IsSymmetric ? 0 : 1;
        return matrix.GroupSize % columns == 0 ? 1 : matrix.GroupSize % (columns / 2) == 0 ? 2 : columns / Block;
    }

    /// <summary>Writes a matrix's codes, <see cref="TileRows"/> × <see cref="TilesPerRow"/> tiles.</summary>
    /// <param name="matrix">The matrix.</param>
    /// <param name="tiles">Zeros; filled here.</param>
    public static void WriteCodes(PackedMatrix matrix, byte* tiles)
    {
        var (bits, outWidth) = (matrix.Bits, matrix.OutWidth);
        var storage = matrix.Storage;
        var (blocks, perRow, blocksPerTile) = (matrix.Shape.Blocks, TilesPerRow(bits, matrix.InWidth), Columns(bits) / Block);
        var (source, rowBytes) = ((nint)storage.Codes, storage.RowBytes);
        System.Threading.Tasks.Parallel.For(0, TileRows(outWidth), tileRow =>
        {
            for (var row = 0; row < Rows && tileRow * Rows + row < outWidth; row++)
            {
                var from = (byte*)source + (tileRow * Rows + row) * rowBytes;
                var to = tiles + (long)tileRow * perRow * Bytes + row / 8 * (Bytes / 2) + row % 8 * Lanes * 16;
                for (var block = 0; block < blocks; block++)
                {
                    var place = to + (long)(block / blocksPerTile) * Bytes;
                    for (var lane = 0; lane < Lanes; lane++)
                    {
                        if (bits == 8)
                            ((ulong*)(place + lane * 16))[block % blocksPerTile] = ((ulong*)from)[block * Lanes + lane];
                        else
                            ((uint*)(place + lane * 16))[block % blocksPerTile] = Paired(((ulong*)from)[block * 2 + lane % 2] >> (lane < 2 ? 0 : 4));
                    }
                }
            }
        });
        GC.KeepAlive(matrix);
    }

    /// <summary>Scales and offsets of groups, [<see cref="TileRows"/>, groups, 16]: float16 and offset in one number, or float32 and offset in two.</summary>
    /// <param name="matrix">The matrix.</param>
    public static uint[] Scales(PackedMatrix matrix)
    {
        var storage = matrix.Storage;
        var (groups, numbers) = (matrix.Groups, storage.HalfScales ? 1 : 2);
        var table = new uint[TileRows(matrix.OutWidth) * Rows * groups * numbers];
        for (var row = 0; row < matrix.OutWidth; row++)
        {
            for (var group = 0; group < groups; group++)
            {
                var index = row * groups + group;
                var offset = Offset(matrix.Bits, storage.Zeros == null ? null : matrix.Bits == 4 ? storage.Zeros[index] : ((short*)storage.Zeros)[index]);
                var place = ((row / Rows * groups + group) * Rows + row % Rows) * numbers;
                if (storage.HalfScales)
                    table[place] = ((ushort*)storage.Scales)[index] | offset << 16;
                else
                    (table[place], table[place + 1]) = (((uint*)storage.Scales)[index], offset);
            }
        }

        GC.KeepAlive(matrix);
        return table;
    }

    /// <summary>What is added to a code as the kernels widen it, in bfloat16: they put a 4-bit code on 128.</summary>
    private static uint Offset(int bits, int? zero)
    {
        float offset = bits == 4 ? -(128 + (zero ?? 8)) : -(zero ?? 0);
        return BitConverter.SingleToUInt32Bits(offset) >> 16; // exact: at most 8 bits of a whole number
    }

    /// <summary>The low halves of 8 bytes: those of even bytes in the low 16 bits, those of odd ones in the high 16.</summary>
    private static uint Paired(ulong bytes) => Gathered(bytes) | Gathered(bytes >> 8) << 16;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static uint Gathered(ulong bytes)
    {
        var halves = bytes & 0x000F_000F_000F_000F;
        halves = (halves | halves >> 12) & 0x0000_00FF_0000_00FF;
        return (uint)(halves | halves >> 24) & 0xFFFF;
    }
}
