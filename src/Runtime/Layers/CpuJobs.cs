using Generated.Kernels;

namespace Generated.Layers;

/// <summary>RMSNorm of rows, with or without a sum before it, shared over the kernel threads.</summary>
internal unsafe struct RmsNormJob : ITeamJob
{
    public RowPartition Partition;
    public float* X;
    public float* Delta;
    public float* Weight;
    public float* Y;
    public float Epsilon;
    public int Width;

    public readonly void Execute(int chunk)
    {
        long start = Partition.Start(chunk);
        var (offset, rows) = (start * Width, Partition.End(chunk) - (int)start);
        if (Delta == null)
            NormKernels.RmsNorm(X + offset, Weight, Epsilon, Y + offset, rows, Width);
        else
            NormKernels.AddRmsNorm(X + offset, Delta + offset, Weight, Epsilon, Y + offset, rows, Width);
    }

    /// <param name="x">[rows, width]; becomes the sum where there is a delta.</param>
    /// <param name="delta">[rows, width], or null.</param>
    /// <param name="weight">[width].</param>
    /// <param name="y">[rows, width]; may be <paramref name="x"/> where there is no delta.</param>
    /// <param name="epsilon">ε.</param>
    /// <param name="rows">Number of rows.</param>
    /// <param name="width">Features.</param>
    public static void Run(float* x, float* delta, float* weight, float* y, double epsilon, int rows, int width)
    {
        var team = ThreadTeam.Shared;
        var job = new RmsNormJob
        {
            Partition = RowPartition.Of(rows, (long)width * sizeof(float), team.Size, multiple: 1),
            X = x,
            Delta = delta,
            Weight = weight,
            Y = y,
            Epsilon = (float)epsilon,
            Width = width,
        };
        team.Run(ref job, job.Partition.Chunks);
    }
}

/// <summary>silu(gate) · up of rows, shared over the kernel threads.</summary>
internal unsafe struct SiluMultiplyJob : ITeamJob
{
    public RowPartition Partition;
    public float* Gate;
    public float* Up;
    public float* Y;
    public long GateStride;
    public long UpStride;
    public int Width;

    public readonly void Execute(int chunk)
    {
        for (long row = Partition.Start(chunk), end = Partition.End(chunk); row < end; row++)
            ActivationKernels.SiluMultiply(Gate + row * GateStride, Up + row * UpStride, Y + row * Width, Width);
    }

    /// <param name="gate">Rows, <paramref name="gateStride"/> apart.</param>
    /// <param name="gateStride">Elements from one row to the next.</param>
    /// <param name="up">Rows, <paramref name="upStride"/> apart.</param>
    /// <param name="upStride">Elements from one row to the next.</param>
    /// <param name="y">[rows, width].</param>
    /// <param name="rows">Number of rows.</param>
    /// <param name="width">Features.</param>
    public static void Run(float* gate, long gateStride, float* up, long upStride, float* y, int rows, int width)
    {
        var team = ThreadTeam.Shared;
        var job = new SiluMultiplyJob
        {
            Partition = RowPartition.Of(rows, (long)width * 8 * sizeof(float), team.Size, multiple: 1), // an exponential costs about eight loads
            Gate = gate,
            Up = up,
            Y = y,
            GateStride = gateStride,
            UpStride = upStride,
            Width = width,
        };
        team.Run(ref job, job.Partition.Chunks);
    }
}
