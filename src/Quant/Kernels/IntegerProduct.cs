using System.Runtime.Intrinsics;
using Generated.Kernels;

namespace Generated.Quant.Kernels;

/// <summary>The product of 8-bit weights with 8-bit activations: exact integers, one scaling at the end.</summary>
internal static unsafe class IntegerProduct
{
    private const float Largest = 127;
    private const float Lowest = -128;

    public static void Multiply(KernelPath path, PackedStorage storage, PackedShape shape, float* x, float* bias, float* y, int rows, float? activationScale, ThreadTeam team)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(rows);
        if (activationScale is { } given && !(given > 0 && float.IsFinite(given)))
            throw new InvalidInputException($"The activation scale {given} is not a positive number; calibrate the layer again.");
        if (rows == 0)
            return;
        var padded = shape.Blocks * Int16Activations.Block;
        var memory = Scratch.Take(rows * (padded * (long)sizeof(short) + sizeof(float)) + padded * (long)sizeof(float));
        var values = (float*)memory;
        var codes = (short*)(values + padded);
        var scales = (float*)(codes + (long)rows * padded);
        for (var row = 0; row < rows; row++)
        {
            Int16Activations.Gather(x + (long)row * shape.InWidth, shape.InWidth, storage.Order, values, padded);
            scales[row] = Round(values, padded, activationScale, codes + (long)row * padded);
        }

        var partition = RowPartition.Of(shape.OutWidth, storage.RowBytes * rows, team.Size, multiple: 1);
        var job = new Job
        {
            Path = path,
            Partition = partition,
            Weights = storage.Codes,
            RowBytes = storage.RowBytes,
            WeightScales = storage.Scales,
            HalfScales = storage.HalfScales,
            X = codes,
            XScales = scales,
            Bias = bias,
            Y = y,
            Rows = rows,
            OutWidth = shape.OutWidth,
            Blocks = shape.Blocks,
        };
        team.Run(ref job, partition.Chunks);
    }

    /// <summary>8-bit codes of one row, held in int16. Returns their scale: NaN if a value is not finite.</summary>
    private static float Round(float* x, int padded, float? activationScale, short* codes)
    {
        var largest = Int16Activations.LargestMagnitude(x, padded);
        var scale = activationScale ?? largest / Largest;
        if (!float.IsFinite(largest) || scale == 0)
        {
            new Span<short>(codes, padded).Clear();
            return float.IsFinite(largest) ? 0 : float.NaN;
        }
        for (var k = 0; k < padded; k += 16)
            Vector256.Narrow(Round(x + k, scale), Round(x + k + 8, scale)).Store(codes + k);
        return scale;
    }

    private static Vector256<int> Round(float* x, float scale)
    {
        var rounded = Vector256.Round(Vector256.Load(x) / Vector256.Create(scale), MidpointRounding.ToEven);
        return Vector256.ConvertToInt32Native(Vector256.MinNative(Vector256.MaxNative(rounded, Vector256.Create(Lowest)), Vector256.Create(Largest)));
    }

    private struct Job : ITeamJob
    {
        public KernelPath Path;
        public RowPartition Partition;
        public byte* Weights;
        public long RowBytes;
        public byte* WeightScales;
        public bool HalfScales;
        public short* X;
        public float* XScales;
        public float* Bias;
        public float* Y;
        public int Rows;
        public int OutWidth;
        public int Blocks;

        public readonly void Execute(int chunk)
        {
            var end = Partition.End(chunk);
            for (var output = Partition.Start(chunk); output < end; output++)
            {
                var codes = Weights + output * RowBytes;
                var scale = HalfScales ? Float16.Load((ushort*)WeightScales + output) : ((float*)WeightScales)[output];
                for (var row = 0; row < Rows; row++)
                {
                    var x = X + (long)row * Blocks * Int16Activations.Block;
                    var sum = Path == KernelPath.Avx2 ? Int8Codes.IntegerDotAvx2(codes, x, Blocks) : Int8Codes.GroupSum(codes, x, Blocks);
                    var value = sum * (scale * XScales[row]);
                    Y[(long)row * OutWidth + output] = Bias == null ? value : value + Bias[output];
                }
            }
        }
    }
}
