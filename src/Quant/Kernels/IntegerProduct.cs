using System.Runtime.Intrinsics;
using Generated.Kernels;

namespace Generated.Quant.Kernels;

/// <summary>The product of 8-bit weights with 8-bit activations: exact integers, one scaling at the end.</summary>
internal static unsafe class IntegerProduct
{
    private const float Largest = 127;
    private const float Lowest = -128;

    /// <summary>Activations that stay in the second-level cache while the weights pass by.</summary>
    private const int BlockBytes = 256 * 1024;

    public static void Multiply(KernelPath path, PackedStorage storage, PackedShape shape, float* x, float* bias, float* y, int rows, float? activationScale, float* rowScales, ThreadTeam team)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(rows);
        if (activationScale is { } given && !(given > 0 && float.IsFinite(given)))
            throw new InvalidInputException($"The activation scale {given} is not a positive number; calibrate the layer again.");
        for (var row = 0; row < rows; row += Int16Activations.MostRows)
        {
            var count = Math.Min(Int16Activations.MostRows, rows - row);
            MultiplyRows(path, storage, shape, x + (long)row * shape.InWidth, bias, y + (long)row * shape.OutWidth, count, activationScale, rowScales == null ? null : rowScales + row, team);
        }
    }

    private static void MultiplyRows(KernelPath path, PackedStorage storage, PackedShape shape, float* x, float* bias, float* y, int rows, float? activationScale, float* rowScales, ThreadTeam team)
    {
        var padded = shape.Blocks * Int16Activations.Block;
        var rowPartition = RowPartition.Of(rows, padded * (long)sizeof(float), team.Size, multiple: 1);
        var values = (float*)Scratch.Take(rows * (padded * (long)sizeof(short) + sizeof(float)) + rowPartition.Chunks * padded * (long)sizeof(float));
        var codes = (short*)(values + (long)rowPartition.Chunks * padded);
        var scales = (float*)(codes + (long)rows * padded);
        var round = new RoundJob
        {
            Partition = rowPartition,
            X = x,
            Order = storage.Order,
            Width = shape.InWidth,
            Padded = padded,
            HasScale = activationScale is not null,
            Scale = activationScale ?? 0,
            RowScales = rowScales,
            Values = values,
            Codes = codes,
            Scales = scales,
        };
        team.Run(ref round, rowPartition.Chunks);

        var partition = RowPartition.Of(shape.OutWidth, storage.RowBytes * rows, team.Size, IntegerTile.Outputs);
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

    private struct RoundJob : ITeamJob
    {
        public RowPartition Partition;
        public float* X;
        public int* Order;
        public int Width;
        public int Padded;
        public bool HasScale;
        public float Scale;
        public float* RowScales;
        public float* Values;
        public short* Codes;
        public float* Scales;

        public readonly void Execute(int chunk)
        {
            var values = Values + (long)chunk * Padded;
            for (var row = Partition.Start(chunk); row < Partition.End(chunk); row++)
            {
                Int16Activations.Gather(X + (long)row * Width, Width, Order, values, Padded);
                float? scale = RowScales != null ? RowScales[row] : HasScale ? Scale : null;
                Scales[row] = Round(values, Padded, scale, Codes + (long)row * Padded);
            }
        }
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
            int start = Partition.Start(chunk), end = Partition.End(chunk);
            var rowsPerBlock = Int16Activations.RowsIn(BlockBytes, Blocks, IntegerTile.Rows);
            for (var row = 0; row < Rows; row += rowsPerBlock)
                Execute(start, end, row, Math.Min(row + rowsPerBlock, Rows));
        }

        private readonly void Execute(int start, int end, int firstRow, int endRow)
        {
            int* sums = stackalloc int[IntegerTile.Rows * IntegerTile.Outputs];
            var output = start;
            for (; Path == KernelPath.Avx2 && output <= end - IntegerTile.Outputs; output += IntegerTile.Outputs)
            {
                var row = firstRow;
                for (; row <= endRow - IntegerTile.Rows; row += IntegerTile.Rows)
                {
                    IntegerTile.Multiply(Codes(output), RowBytes, Values(row), Stride, Blocks, sums);
                    for (var i = 0; i < IntegerTile.Rows * IntegerTile.Outputs; i++)
                        Store(row + i % IntegerTile.Rows, output + i / IntegerTile.Rows, sums[i]);
                }
                for (; row < endRow; row++)
                {
                    for (var i = 0; i < IntegerTile.Outputs; i++)
                        Store(row, output + i, Int8Codes.IntegerDotAvx2(Codes(output + i), Values(row), Blocks));
                }
            }
            for (; output < end; output++)
            {
                for (var row = firstRow; row < endRow; row++)
                    Store(row, output, Path == KernelPath.Avx2 ? Int8Codes.IntegerDotAvx2(Codes(output), Values(row), Blocks) : Int8Codes.GroupSum(Codes(output), Values(row), Blocks));
            }
        }

        private readonly long Stride => (long)Blocks * Int16Activations.Block;

        private readonly byte* Codes(int output) => Weights + output * RowBytes;

        private readonly short* Values(int row) => X + row * Stride;

        private readonly void Store(int row, int output, int sum)
        {
            var scale = HalfScales ? Float16.Load((ushort*)WeightScales + output) : ((float*)WeightScales)[output];
            var value = sum * (scale * XScales[row]);
            Y[(long)row * OutWidth + output] = Bias == null ? value : value + Bias[output];
        }
    }
}
