using System.Runtime.CompilerServices;

namespace Generated.Kernels;

/// <summary>Storage format of a weight matrix.</summary>
public enum WeightFormat
{
    /// <summary>IEEE binary32.</summary>
    Float32,

    /// <summary>bfloat16.</summary>
    BFloat16,

    /// <summary>IEEE binary16.</summary>
    Float16,
}

/// <summary>
/// Linear layers for few input rows (decoding): y = x · Wᵀ + b, bound by reading W once. From about 8 input rows on, libtorch's
/// matrix-matrix product is the better choice.
/// </summary>
/// <remarks>
/// Weights are widened exactly and products are summed in float32, in an order fixed by the width and the processor: an output does
/// not depend on the number of threads or on the other rows of the batch. Paths differ by rounding only: |Δy| ≤ width · 2⁻²³ · Σ|w·x|.
/// NaN and infinity spread as IEEE arithmetic says.
/// </remarks>
public static unsafe class MatVec
{
    /// <summary>Multiplies by a matrix of any format.</summary>
    /// <param name="format">How <paramref name="weights"/> is stored.</param>
    /// <param name="weights">[outWidth, inWidth], row-major and contiguous, as libtorch holds a linear's weight.</param>
    /// <param name="x">[rows, inWidth] float32.</param>
    /// <param name="bias">[outWidth] float32, or null.</param>
    /// <param name="y">[rows, outWidth] float32; must not overlap <paramref name="x"/>.</param>
    /// <param name="rows">Number of input rows, 1 or more.</param>
    /// <param name="inWidth">Width of the input.</param>
    /// <param name="outWidth">Width of the output.</param>
    /// <param name="team">Threads to use; <see cref="ThreadTeam.Shared"/> if null.</param>
    public static void Multiply(WeightFormat format, void* weights, float* x, float* bias, float* y, int rows, int inWidth, int outWidth, ThreadTeam? team = null)
        => Multiply(Cpu.Path, format, weights, x, bias, y, rows, inWidth, outWidth, team);

    /// <inheritdoc cref="Multiply(WeightFormat, void*, float*, float*, float*, int, int, int, ThreadTeam?)"/>
    public static void Multiply(float* weights, float* x, float* bias, float* y, int rows, int inWidth, int outWidth, ThreadTeam? team = null)
        => Multiply(Cpu.Path, WeightFormat.Float32, weights, x, bias, y, rows, inWidth, outWidth, team);

    internal static void Multiply(KernelPath path, WeightFormat format, void* weights, float* x, float* bias, float* y, int rows, int inWidth, int outWidth, ThreadTeam? team)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(rows);
        ArgumentOutOfRangeException.ThrowIfNegative(inWidth);
        ArgumentOutOfRangeException.ThrowIfNegative(outWidth);
        if (rows == 0 || outWidth == 0)
            return;
        team ??= ThreadTeam.Shared;
        switch (format)
        {
            case WeightFormat.Float32:
                Run<float, Float32>(path, (float*)weights, x, bias, y, rows, inWidth, outWidth, team);
                break;
            case WeightFormat.BFloat16:
                Run<ushort, BFloat16>(path, (ushort*)weights, x, bias, y, rows, inWidth, outWidth, team);
                break;
            case WeightFormat.Float16:
                Run<ushort, Float16>(path, (ushort*)weights, x, bias, y, rows, inWidth, outWidth, team);
                break;
            default:
                throw new ArgumentOutOfRangeException(nameof(format), format, "No such weight format.");
        }
    }

    private static void Run<TStored, TElement>(KernelPath path, TStored* weights, float* x, float* bias, float* y, int rows, int inWidth, int outWidth, ThreadTeam team)
        where TStored : unmanaged
        where TElement : struct, IElement<TStored>
    {
        var partition = RowPartition.Of(outWidth, (long)inWidth * sizeof(TStored), team.Size, multiple: 1);
        var job = new Job<TStored, TElement>
        {
            Path = path,
            Partition = partition,
            Operands = new MatVecOperands<TStored> { Weights = weights, X = x, Bias = bias, Y = y, Rows = rows, InWidth = inWidth, OutWidth = outWidth },
        };
        team.Run(ref job, partition.Chunks);
    }

    private struct Job<TStored, TElement> : ITeamJob
        where TStored : unmanaged
        where TElement : struct, IElement<TStored>
    {
        public KernelPath Path;
        public RowPartition Partition;
        public MatVecOperands<TStored> Operands;

        public readonly void Execute(int chunk)
        {
            if (Path == KernelPath.Avx2)
                MatVecAvx2<TStored, TElement>.Multiply(in Operands, Partition.Start(chunk), Partition.End(chunk));
            else
                MatVecPortable<TStored, TElement>.Multiply(in Operands, Partition.Start(chunk), Partition.End(chunk));
        }
    }
}

/// <summary>What a matrix-vector product reads and writes; see <see cref="MatVec"/>.</summary>
internal unsafe struct MatVecOperands<TStored>
    where TStored : unmanaged
{
    public TStored* Weights;
    public float* X;
    public float* Bias;
    public float* Y;
    public int Rows;
    public int InWidth;
    public int OutWidth;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public readonly void Store(int row, int output, float sum)
        => Y[(long)row * OutWidth + output] = Bias == null ? sum : sum + Bias[output];
}
