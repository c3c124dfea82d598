using System.Runtime.Intrinsics;
using Generated.Kernels;

namespace Generated.Quant.Kernels;

/// <summary>Products with a packed matrix and its dequantization, shared by all code formats.</summary>
internal static unsafe class PackedProduct<TFormat>
    where TFormat : struct, ICodeFormat
{
    /// <summary>Activations that stay in the second-level cache while the weights pass by.</summary>
    private const int BlockBytes = 384 * 1024;

    public static void Multiply(KernelPath path, PackedStorage storage, PackedShape shape, float* x, float* bias, float* y, int rows, ThreadTeam team)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(rows);
        for (var row = 0; row < rows; row += Int16Activations.MostRows)
        {
            var count = Math.Min(Int16Activations.MostRows, rows - row);
            var activations = Int16Activations.Quantize(path, x + (long)row * shape.InWidth, count, shape.InWidth, shape.BlocksPerGroup, storage.Order, team);
            var output = y + (long)row * shape.OutWidth;
            if (storage.HalfScales)
                Run<ushort, Float16>(path, storage, shape, activations, bias, output, count, team);
            else
                Run<float, Float32>(path, storage, shape, activations, bias, output, count, team);
        }
    }

    public static void Dequantize(PackedStorage storage, PackedShape shape, float* destination, int start, int count, ThreadTeam team)
    {
        if (storage.HalfScales)
            Dequantize<ushort, Float16>(storage, shape, destination, start, count, team);
        else
            Dequantize<float, Float32>(storage, shape, destination, start, count, team);
    }

    private static void Run<TStored, TScale>(KernelPath path, PackedStorage storage, PackedShape shape, Int16Activations x, float* bias, float* y, int rows, ThreadTeam team)
        where TStored : unmanaged
        where TScale : struct, IElement<TStored>
    {
        var partition = RowPartition.Of(shape.OutWidth, storage.RowBytes * Math.Max(1, rows / 2), team.Size, CodeTile<TFormat>.Outputs);
        var job = new MultiplyJob<TStored, TScale>
        {
            Path = path,
            Partition = partition,
            Weights = new Operand<TStored>(storage, shape),
            X = x,
            Bias = bias,
            Y = y,
            Rows = rows,
            OutWidth = shape.OutWidth,
        };
        team.Run(ref job, partition.Chunks);
    }

    private static void Dequantize<TStored, TScale>(PackedStorage storage, PackedShape shape, float* destination, int start, int count, ThreadTeam team)
        where TStored : unmanaged
        where TScale : struct, IElement<TStored>
    {
        var partition = RowPartition.Of(count, shape.InWidth * (long)sizeof(float), team.Size, multiple: 1);
        var job = new DequantizeJob<TStored, TScale>
        {
            Partition = partition,
            Weights = new Operand<TStored>(storage, shape),
            Order = storage.Order,
            Destination = destination,
            Start = start,
            InWidth = shape.InWidth,
            GroupSize = shape.GroupSize,
        };
        team.Run(ref job, partition.Chunks);
    }

    /// <summary>Where the parts of the matrix lie.</summary>
    private readonly struct Operand<TStored>(PackedStorage storage, PackedShape shape)
        where TStored : unmanaged
    {
        public readonly byte* Codes = storage.Codes;
        public readonly TStored* Scales = (TStored*)storage.Scales;
        public readonly byte* Zeros = storage.Zeros;
        public readonly long RowBytes = storage.RowBytes;
        public readonly int Blocks = shape.Blocks;
        public readonly int Groups = shape.Groups;
        public readonly int Ratio = shape.Ratio;
    }

    private struct MultiplyJob<TStored, TScale> : ITeamJob
        where TStored : unmanaged
        where TScale : struct, IElement<TStored>
    {
        public KernelPath Path;
        public RowPartition Partition;
        public Operand<TStored> Weights;
        public Int16Activations X;
        public float* Bias;
        public float* Y;
        public int Rows;
        public int OutWidth;

        public readonly void Execute(int chunk)
        {
            float* scales = stackalloc float[2 * CodeTile<TFormat>.Outputs * X.GroupsPadded];
            int start = Partition.Start(chunk), end = Partition.End(chunk);
            var rowsPerBlock = Int16Activations.RowsIn(BlockBytes, X.Blocks, CodeTile<TFormat>.Rows);
            for (var row = 0; row < Rows; row += rowsPerBlock)
                Execute(start, end, row, Math.Min(row + rowsPerBlock, Rows), scales);
        }

        private readonly void Execute(int start, int end, int firstRow, int endRow, float* scales)
        {
            const int outputs = CodeTile<TFormat>.Outputs, rows = CodeTile<TFormat>.Rows;
            var output = start;
            if (Path == KernelPath.Avx2 && endRow - firstRow >= rows)
            {
                for (; output <= end - outputs; output += outputs)
                {
                    var zeroScales = scales + outputs * X.GroupsPadded;
                    for (var i = 0; i < outputs; i++)
                        Widen(output + i, scales + i * X.GroupsPadded, zeroScales + i * X.GroupsPadded);
                    var row = firstRow;
                    for (; row <= endRow - rows; row += rows)
                        MultiplyTile(output, row, scales, zeroScales);
                    for (var i = 0; i < outputs; i++)
                        MultiplyRows(output + i, row, endRow, scales);
                }
            }
            for (; output < end; output++)
                MultiplyRows(output, firstRow, endRow, scales);
        }

        private readonly void MultiplyRows(int output, int row, int endRow, float* scales)
        {
            for (; row <= endRow - 2 && Path == KernelPath.Avx2; row += 2)
                MultiplyPair(output, row, scales, scales + X.GroupsPadded);
            for (; row < endRow; row++)
                MultiplyOne(output, row, scales);
        }

        private readonly void MultiplyTile(int output, int row, float* scales, float* zeroScales)
        {
            const int outputs = CodeTile<TFormat>.Outputs, rows = CodeTile<TFormat>.Rows;
            var sums = stackalloc float[outputs * rows];
            CodeTile<TFormat>.Multiply(Codes(output), (nint)Weights.RowBytes, Values(row), X.Blocks * Int16Activations.Block, X.Blocks, X.BlocksPerGroup,
                scales, X.GroupsPadded, X.Scales + (long)row * X.GroupsPadded, X.GroupsPadded, sums);
            for (var i = 0; i < outputs; i++)
            {
                var y = Y + (long)row * OutWidth + output + i;
                var bias = Bias == null ? 0 : Bias[output + i];
                var channel = Weights.Groups == 1 ? TScale.Load(Weights.Scales + output + i) : 1;
                var zero = Weights.Groups == 1 ? Zero(output + i) : 0;
                for (var j = 0; j < rows; j++, y += OutWidth)
                {
                    var shift = Weights.Groups == 1 ? zero * X.Totals[row + j] : Shift(zeroScales + i * X.GroupsPadded, row + j);
                    *y = (sums[i * rows + j] - shift) * channel + bias;
                }
            }
        }

        /// <summary>One output's scales, for each group of activations, and those times its zero points; ones where the output has one scale, which multiplies the sum.</summary>
        private readonly void Widen(int output, float* scales, float* zeroScales)
        {
            if (Weights.Groups == 1)
            {
                new Span<float>(scales, X.GroupsPadded).Fill(1);
                return;
            }

            if (Weights.Ratio == 1)
            {
                var first = (long)output * Weights.Groups;
                for (nint group = 0; group < X.GroupsPadded; group += 8)
                {
                    var scale = TScale.Load256(Weights.Scales + first + group);
                    scale.Store(scales + group);
                    (scale * Zeros(first + group)).Store(zeroScales + group);
                }

                return;
            }

            for (var group = 0; group < X.GroupsPadded; group++)
            {
                var index = (long)output * Weights.Groups + Math.Min(group / Weights.Ratio, Weights.Groups - 1);
                scales[group] = TScale.Load(Weights.Scales + index);
                zeroScales[group] = scales[group] * Zero(index);
            }
        }

        /// <summary>What the zero points contribute to an output of a row.</summary>
        private readonly float Shift(float* zeroScales, int row)
        {
            var sums = X.Sums + (long)row * X.GroupsPadded;
            var shift = Vector256<float>.Zero;
            for (nint group = 0; group < X.GroupsPadded; group += 8)
                shift += Vector256.Load(zeroScales + group) * Vector256.Load(sums + group);
            return Vector256.Sum(shift);
        }

        private readonly void MultiplyOne(int output, int row, float* scales)
        {
            var (factor, shift) = Weights.Groups == 1 ? Channel(output, row, ref scales) : Fold(output, row, scales);
            var sum = Path == KernelPath.Avx2
                ? TFormat.DotAvx2(Codes(output), Values(row), scales, X.Blocks, X.BlocksPerGroup)
                : DotPortable(Codes(output), Values(row), scales);
            Store(row, output, (sum - shift) * factor);
        }

        private readonly void MultiplyPair(int output, int row, float* scales, float* other)
        {
            var (factor, xShift) = Weights.Groups == 1 ? Channel(output, row, ref scales) : Fold(output, row, scales);
            var (_, zShift) = Weights.Groups == 1 ? Channel(output, row + 1, ref other) : Fold(output, row + 1, other);
            TFormat.DotAvx2(Codes(output), Values(row), scales, Values(row + 1), other, X.Blocks, X.BlocksPerGroup, out var first, out var second);
            Store(row, output, (first - xShift) * factor);
            Store(row + 1, output, (second - zShift) * factor);
        }

        private readonly byte* Codes(int output) => Weights.Codes + output * Weights.RowBytes;

        private readonly short* Values(int row) => X.Codes + (long)row * X.Blocks * Int16Activations.Block;

        private readonly void Store(int row, int output, float value)
            => Y[(long)row * OutWidth + output] = Bias == null ? value : value + Bias[output];

        /// <summary>With one scale per output the activations' scales serve as they are and the output's multiplies the sum.</summary>
        private readonly (float Factor, float Shift) Channel(int output, int row, ref float* scales)
        {
            scales = X.Scales + (long)row * X.GroupsPadded;
            return (TScale.Load(Weights.Scales + output), Zero(output) * X.Totals[row]);
        }

        /// <summary>
        /// Multiplies the scales of one output's groups by those of one row of activations. The shift is what the zero points
        /// contribute, Σ over groups of scale · zero · Σ x, to be subtracted.
        /// </summary>
        private readonly (float Factor, float Shift) Fold(int output, int row, float* scales)
        {
            if (Weights.Ratio != 1)
                return FoldShared(output, row, scales);
            float* xScales = X.Scales + (long)row * X.GroupsPadded, xSums = X.Sums + (long)row * X.GroupsPadded;
            var weightScales = Weights.Scales + (long)output * Weights.Groups;
            var groups = X.GroupsPadded;
            var shift = Vector256<float>.Zero;
            for (nint group = 0; group < groups; group += 8)
            {
                var scale = TScale.Load256(weightScales + group);
                (scale * Vector256.Load(xScales + group)).Store(scales + group);
                shift += scale * Zeros((long)output * Weights.Groups + group) * Vector256.Load(xSums + group);
            }
            return (1, Vector256.Sum(shift));
        }

        /// <summary>The same where several groups of activations share a group of weights.</summary>
        private readonly (float Factor, float Shift) FoldShared(int output, int row, float* scales)
        {
            float* xScales = X.Scales + (long)row * X.GroupsPadded, xSums = X.Sums + (long)row * X.GroupsPadded;
            float* lanes = stackalloc float[8];
            new Span<float>(lanes, 8).Clear();
            for (var group = 0; group < X.Groups; group++)
            {
                var index = (long)output * Weights.Groups + group / Weights.Ratio;
                var scale = TScale.Load(Weights.Scales + index);
                scales[group] = scale * xScales[group];
                lanes[group % 8] += scale * Zero(index) * xSums[group];
            }
            return (1, Vector256.Sum(Vector256.Load(lanes)));
        }

        /// <summary>Zero points of eight groups.</summary>
        private readonly Vector256<float> Zeros(long index) =>
            Weights.Zeros == null ? Vector256.Create((float)TFormat.SymmetricZero) : TFormat.Zeros(Weights.Zeros + index * TFormat.ZeroBytes);

        private readonly float Zero(long index) => Weights.Zeros == null ? TFormat.SymmetricZero : TFormat.Zero(Weights.Zeros + index * TFormat.ZeroBytes);

        private readonly float DotPortable(byte* codes, short* x, float* scales)
        {
            var sum = 0f;
            for (var block = 0; block < X.Blocks; block += X.BlocksPerGroup, scales++)
            {
                var blocks = Math.Min(X.BlocksPerGroup, X.Blocks - block);
                sum += *scales * TFormat.GroupSum(codes + block * TFormat.BlockBytes, x + block * Int16Activations.Block, blocks);
            }
            return sum;
        }
    }

    private struct DequantizeJob<TStored, TScale> : ITeamJob
        where TStored : unmanaged
        where TScale : struct, IElement<TStored>
    {
        public RowPartition Partition;
        public Operand<TStored> Weights;
        public int* Order;
        public float* Destination;
        public int Start;
        public int InWidth;
        public int GroupSize;

        public readonly void Execute(int chunk)
        {
            using var values = new NativeBlock(Weights.Blocks * (long)Int16Activations.Block * sizeof(float));
            for (var row = Partition.Start(chunk); row < Partition.End(chunk); row++)
                Unpack(Start + row, (float*)values.Pointer, Destination + (long)row * InWidth);
        }

        private readonly void Unpack(int output, float* values, float* destination)
        {
            TFormat.Unpack(Weights.Codes + output * Weights.RowBytes, values, Weights.Blocks);
            for (var group = 0; group < Weights.Groups; group++)
            {
                var index = (long)output * Weights.Groups + group;
                var scale = TScale.Load(Weights.Scales + index);
                var zero = Weights.Zeros == null ? TFormat.SymmetricZero : TFormat.Zero(Weights.Zeros + index * TFormat.ZeroBytes);
                int k = group * GroupSize, end = Math.Min(k + GroupSize, InWidth);
                if (Order == null)
                {
                    for (; k <= end - 8; k += 8)
                        ((Vector256.Load(values + k) - Vector256.Create(zero)) * scale).Store(destination + k);
                }
                for (; k < end; k++)
                    destination[Order == null ? k : Order[k]] = (values[k] - zero) * scale;
            }
        }
    }
}
