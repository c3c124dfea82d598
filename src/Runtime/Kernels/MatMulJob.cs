using System.Runtime.Intrinsics.X86;

namespace Generated.Kernels;

/// <summary>The outputs of one part of a <see cref="MatMul"/>, tile by tile.</summary>
internal unsafe struct MatMulJob<TStored, TElement> : ITeamJob
    where TStored : unmanaged
    where TElement : struct, IElement<TStored>
{
    /// <summary>Rows of a block of columns that stay in the second-level cache while weights pass by.</summary>
    public const int BlockRows = 96;

    private const int LineBytes = 64;

    public RowPartition Partition;
    public ColumnBlocks Columns;
    public TStored* Weights;
    public float* Blocks;

    /// <summary>[⌈OutWidth / 4⌉, BlockRows, 4]: rows of <see cref="Y"/> are too far apart to add to them over and over.</summary>
    public float* Sums;
    public float* Bias;
    public float* Y;
    public int Rows;
    public int OutWidth;

    public readonly void Execute(int chunk)
    {
        int start = Partition.Start(chunk), end = Partition.End(chunk);
        float* tile = stackalloc float[MatMulTile.Outputs * Columns.Stride];
        for (var row = 0; row < Rows; row += BlockRows)
        {
            var rows = Math.Min(BlockRows, Rows - row);
            for (var block = 0; block < Columns.Count; block++)
            {
                for (var output = start; output < end; output += MatMulTile.Outputs)
                    MultiplyAdd(output, Math.Min(MatMulTile.Outputs, end - output), block, row, rows, tile);
            }
            for (var output = start; output < end; output += MatMulTile.Outputs)
                Store(output, Math.Min(MatMulTile.Outputs, end - output), row, rows);
        }
    }

    /// <summary>Adds what a block of columns contributes to up to four outputs of some rows.</summary>
    private readonly void MultiplyAdd(int output, int outputs, int block, int first, int rows, float* tile)
    {
        int width = Columns.Width(block), count = Columns.PaddedWidth(block), stride = Columns.Stride, row = 0;
        var weights = Weights + (long)output * Columns.InWidth + Columns.Start(block);
        for (var i = 0; i < outputs; i++)
            RowKernels.WidenPadded<TStored, TElement>(weights + (long)i * Columns.InWidth, width, tile + i * stride);
        var sums = SumsOf(output);
        if (block == 0)
            new Span<float>(sums, rows * MatMulTile.Outputs).Clear();
        if (outputs < MatMulTile.Outputs)
        {
            for (; row < rows; row++)
            {
                for (var i = 0; i < outputs; i++)
                    sums[row * MatMulTile.Outputs + i] += RowKernels.Dot(tile + i * stride, Input(block, first + row), count);
            }

            return;
        }

        // The next tile comes from memory while this one is multiplied.
        byte* next = (byte*)(weights + (long)MatMulTile.Outputs * Columns.InWidth), nextEnd = next + width * sizeof(TStored);
        var bytesPerTile = LineBytes * (width * sizeof(TStored) / LineBytes / Math.Max(1, rows / MatMulTile.Rows) + 1);
        for (; row <= rows - MatMulTile.Rows; row += MatMulTile.Rows)
        {
            for (var end = next + bytesPerTile; next < end && next < nextEnd; next += LineBytes)
            {
                for (var i = 0; i < MatMulTile.Outputs; i++)
                    Sse.Prefetch1(next + (long)i * Columns.InWidth * sizeof(TStored));
            }
            MatMulTile.MultiplyAdd(tile, stride, Input(block, first + row), stride, count, sums + row * MatMulTile.Outputs);
        }
        for (; row < rows; row++)
            MatMulTile.MultiplyAddRow(tile, stride, Input(block, first + row), count, sums + row * MatMulTile.Outputs);
    }

    private readonly void Store(int output, int outputs, int first, int rows)
    {
        var sums = SumsOf(output);
        for (var row = 0; row < rows; row++, sums += MatMulTile.Outputs)
        {
            var y = Y + (long)(first + row) * OutWidth + output;
            for (var i = 0; i < outputs; i++)
                y[i] = Bias == null ? sums[i] : sums[i] + Bias[output + i];
        }
    }

    private readonly float* SumsOf(int output) => Sums + (long)output * BlockRows;

    private readonly float* Input(int block, int row) => Columns.Row(Blocks, Rows, block, row);
}
