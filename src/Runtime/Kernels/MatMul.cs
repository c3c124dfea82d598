using System.Runtime.Intrinsics.X86;

namespace Generated.Kernels;

/// <summary>Linear layers for many input rows (a prompt): y = x · Wᵀ + b, bound by arithmetic. In AVX2 only.</summary>
/// <remarks>
/// Weights are widened exactly and products are summed in float32, in an order fixed by the width: an output depends neither on the
/// number of threads nor on the other rows of the batch, and differs from <see cref="MatVec"/>'s by rounding only.
/// NaN and infinity spread as IEEE arithmetic says.
/// </remarks>
internal static unsafe class MatMul
{
    /// <summary>Input rows that are copied at a time, which bounds the working memory.</summary>
    private const int MostRows = 384;

    /// <summary>
    /// Whether this is the better choice here: libtorch multiplies float32 by MKL, which reaches nine tenths of an Intel processor's
    /// arithmetic and about six tenths of another's.
    /// </summary>
    public static bool IsFaster { get; } = Cpu.Path == KernelPath.Avx2 && !IsIntel();

    /// <summary>Multiplies by a matrix of any format.</summary>
    /// <param name="format">How <paramref name="weights"/> is stored.</param>
    /// <param name="weights">[outWidth, inWidth], contiguous.</param>
    /// <param name="x">[rows, inWidth].</param>
    /// <param name="bias">[outWidth], or null.</param>
    /// <param name="y">[rows, outWidth]; must not overlap <paramref name="x"/>.</param>
    /// <param name="rows">Number of input rows.</param>
    /// <param name="inWidth">Width of the input.</param>
    /// <param name="outWidth">Width of the output.</param>
    /// <param name="team">Threads to use; <see cref="ThreadTeam.Shared"/> if null.</param>
    public static void Multiply(WeightFormat format, void* weights, float* x, float* bias, float* y, int rows, int inWidth, int outWidth, ThreadTeam? team = null)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(rows);
        ArgumentOutOfRangeException.ThrowIfNegative(inWidth);
        ArgumentOutOfRangeException.ThrowIfNegative(outWidth);
        team ??= ThreadTeam.Shared;
        for (var row = 0; row < rows && outWidth > 0; row += MostRows)
        {
            var count = Math.Min(MostRows, rows - row);
            float* input = x + (long)row * inWidth, output = y + (long)row * outWidth;
            switch (format)
            {
                case WeightFormat.Float32:
                    Run<float, Float32>((float*)weights, input, bias, output, count, inWidth, outWidth, team);
                    break;
                case WeightFormat.BFloat16:
                    Run<ushort, BFloat16>((ushort*)weights, input, bias, output, count, inWidth, outWidth, team);
                    break;
                case WeightFormat.Float16:
                    Run<ushort, Float16>((ushort*)weights, input, bias, output, count, inWidth, outWidth, team);
                    break;
                default:
                    throw new ArgumentOutOfRangeException(nameof(format), format, "No such weight format.");
            }
        }
    }

    private static void Run<TStored, TElement>(TStored* weights, float* x, float* bias, float* y, int rows, int inWidth, int outWidth, ThreadTeam team)
        where TStored : unmanaged
        where TElement : struct, IElement<TStored>
    {
        var columns = ColumnBlocks.Of(inWidth);
        var sums = (float*)Scratch.Take(sizeof(float) * (columns.Size(rows) + MatMulJob<TStored, TElement>.BlockRows * (outWidth + (long)MatMulTile.Outputs)));
        var blocks = sums + MatMulJob<TStored, TElement>.BlockRows * (outWidth + (long)MatMulTile.Outputs);
        var copy = new CopyJob { Partition = RowPartition.Of(rows, (long)inWidth * sizeof(float), team.Size, multiple: 1), Columns = columns, X = x, Blocks = blocks, Rows = rows };
        team.Run(ref copy, copy.Partition.Chunks);
        var job = new MatMulJob<TStored, TElement>
        {
            Partition = RowPartition.Of(outWidth, (long)inWidth * sizeof(float) * rows, team.Size, MatMulTile.Outputs),
            Columns = columns,
            Weights = weights,
            Blocks = blocks,
            Sums = sums,
            Bias = bias,
            Y = y,
            Rows = rows,
            OutWidth = outWidth,
        };
        team.Run(ref job, job.Partition.Chunks);
    }

    private static bool IsIntel()
    {
        if (!X86Base.IsSupported)
            return false;
        var (_, b, c, d) = X86Base.CpuId(0, 0);
        return (b, d, c) == (0x756E6547, 0x49656E69, 0x6C65746E); // "Genu", "ineI", "ntel"
    }

    /// <summary>Copies input rows into blocks of columns.</summary>
    private struct CopyJob : ITeamJob
    {
        public RowPartition Partition;
        public ColumnBlocks Columns;
        public float* X;
        public float* Blocks;
        public int Rows;

        public readonly void Execute(int chunk)
        {
            for (var row = Partition.Start(chunk); row < Partition.End(chunk); row++)
            {
                for (var block = 0; block < Columns.Count; block++)
                    RowKernels.WidenPadded<float, Float32>(X + (long)row * Columns.InWidth + Columns.Start(block), Columns.Width(block), Columns.Row(Blocks, Rows, block, row));
            }
        }
    }
}
