using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using System.Runtime.CompilerServices;
using Generated.Kernels;

namespace Generated.Quant.Kernels;

/// <summary>
/// Rows of activations as int16 codes with one float32 scale per group, made for the integer kernels in the calling thread's scratch.
/// </summary>
/// <remarks>
/// A group's scale is its largest magnitude / 32767, so that each value is off by at most 2⁻¹⁶ of that magnitude: 100 times finer than
/// the weights of any 8-bit format, and finer than bfloat16. A group with NaN or infinity gets the scale NaN, which makes its row of
/// outputs NaN. Magnitudes below 10⁻³⁰ count as 0.
/// </remarks>
internal readonly unsafe struct Int16Activations
{
    /// <summary>Values per block: rows are padded with zeros to whole blocks.</summary>
    public const int Block = 32;

    /// <summary>Rows that a product makes into integers at a time, which bounds the working memory.</summary>
    public const int MostRows = 384;

    private const float Levels = 32767;
    private const float Smallest = 1e-30f;

    /// <summary>[rows, Blocks · Block] codes.</summary>
    public readonly short* Codes;

    /// <summary>[rows, GroupsPadded] scales; the padding is 0.</summary>
    public readonly float* Scales;

    /// <summary>[rows, GroupsPadded] scale · Σ codes of a group: what a weight of ones would give.</summary>
    public readonly float* Sums;

    /// <summary>[rows] Σ over groups of that.</summary>
    public readonly float* Totals;

    public readonly int Blocks;
    public readonly int BlocksPerGroup;

    public readonly int Groups;

    /// <summary>Number of groups, rounded up to a whole 256-bit vector of floats.</summary>
    public readonly int GroupsPadded;

    private Int16Activations(byte* memory, int rows, int blocks, int blocksPerGroup, int groups, int groupsPadded)
    {
        (Blocks, BlocksPerGroup, Groups, GroupsPadded) = (blocks, blocksPerGroup, groups, groupsPadded);
        Codes = (short*)memory;
        Scales = (float*)(Codes + (long)rows * blocks * Block);
        Sums = Scales + (long)rows * groupsPadded;
        Totals = Sums + (long)rows * groupsPadded;
    }

    /// <param name="path">The implementation to use.</param>
    /// <param name="x">[rows, width].</param>
    /// <param name="rows">Number of rows.</param>
    /// <param name="width">Values per row.</param>
    /// <param name="blocksPerGroup">Group size in blocks.</param>
    /// <param name="order">Column j of the result is column order[j] of x; null keeps the order.</param>
    /// <param name="team">Threads to use.</param>
    public static Int16Activations Quantize(KernelPath path, float* x, int rows, int width, int blocksPerGroup, int* order, ThreadTeam team)
    {
        var blocks = (width + Block - 1) / Block;
        var groups = (blocks + blocksPerGroup - 1) / blocksPerGroup;
        var groupsPadded = (groups + 7) & ~7;
        var padded = blocks * Block;
        var partition = RowPartition.Of(rows, width * (long)sizeof(float), team.Size, multiple: 1);
        var memory = Scratch.Take(rows * (padded * 2L + groupsPadded * 8L + 4) + partition.Chunks * padded * 4L);
        var result = new Int16Activations(memory, rows, blocks, blocksPerGroup, groups, groupsPadded);
        var job = new Job { Path = path, Partition = partition, Result = result, X = x, Width = width, Order = order, Gathered = result.Totals + rows };
        team.Run(ref job, partition.Chunks);
        return result;
    }

    /// <summary>Rows of int16 codes, a multiple of a tile's, that stay in so many bytes of cache while the weights pass by.</summary>
    public static int RowsIn(int cacheBytes, int blocks, int tileRows) => Math.Max(tileRows, cacheBytes / (blocks * Block * sizeof(short)) / tileRows * tileRows);

    /// <summary>Copies a row in the given order of columns (null: its own) and pads it with zeros.</summary>
    public static void Gather(float* x, int width, int* order, float* destination, int padded)
    {
        if (order == null)
            new ReadOnlySpan<float>(x, width).CopyTo(new Span<float>(destination, width));
        else
        {
            for (var k = 0; k < width; k++)
                destination[k] = x[order[k]];
        }
        new Span<float>(destination + width, padded - width).Clear();
    }

    /// <summary>The largest |x| of a multiple of 8 values; infinity or NaN if there is one.</summary>
    public static float LargestMagnitude(float* x, int count)
    {
        // As integers, bits without the sign compare as the magnitudes do, with infinity and then NaN above all.
        var largest = Vector256<int>.Zero;
        for (var k = 0; k < count; k += 8)
            largest = Vector256.Max(largest, Vector256.Load((int*)x + k) & Vector256.Create(int.MaxValue));
        var half = Vector128.Max(largest.GetLower(), largest.GetUpper());
        return BitConverter.Int32BitsToSingle(Math.Max(Math.Max(half[0], half[1]), Math.Max(half[2], half[3])));
    }

    private void QuantizeRow(KernelPath path, float* x, int row)
    {
        var codes = Codes + (long)row * Blocks * Block;
        float* scales = Scales + (long)row * GroupsPadded, sums = Sums + (long)row * GroupsPadded;
        for (var group = 0; group < GroupsPadded; group++)
        {
            if (group >= Groups)
            {
                scales[group] = sums[group] = 0;
                continue;
            }
            var start = group * BlocksPerGroup * Block;
            var count = Math.Min(BlocksPerGroup * Block, Blocks * Block - start);
            var largest = LargestMagnitude(x + start, count);
            if (!float.IsFinite(largest) || largest < Smallest)
            {
                new Span<short>(codes + start, count).Clear();
                scales[group] = sums[group] = float.IsFinite(largest) ? 0 : float.NaN;
                continue;
            }
            scales[group] = largest / Levels;
            var sum = path == KernelPath.Avx2
                ? RoundAvx2(x + start, Levels / largest, codes + start, count)
                : RoundPortable(x + start, Levels / largest, codes + start, count);
            sums[group] = scales[group] * sum;
        }
        var total = Vector256<float>.Zero;
        for (var group = 0; group < GroupsPadded; group += 8)
            total += Vector256.Load(sums + group);
        Totals[row] = Vector256.Sum(total);
    }

    private struct Job : ITeamJob
    {
        public KernelPath Path;
        public RowPartition Partition;
        public Int16Activations Result;
        public float* X;
        public int Width;
        public int* Order;
        public float* Gathered;

        public readonly void Execute(int chunk)
        {
            var padded = Result.Blocks * Block;
            var gathered = Gathered + (long)chunk * padded;
            for (var row = Partition.Start(chunk); row < Partition.End(chunk); row++)
            {
                var source = X + (long)row * Width;
                if (Order != null || padded != Width)
                {
                    Gather(source, Width, Order, gathered, padded);
                    source = gathered;
                }
                Result.QuantizeRow(Path, source, row);
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static int RoundAvx2(float* x, float inverse, short* codes, int count)
    {
        var factor = Vector256.Create(inverse);
        var sum = Vector256<int>.Zero;
        for (var k = 0; k < count; k += 16)
        {
            var low = Avx.ConvertToVector256Int32(Vector256.Load(x + k) * factor);
            var high = Avx.ConvertToVector256Int32(Vector256.Load(x + k + 8) * factor);
            sum += low + high;
            Avx2.Permute4x64(Avx2.PackSignedSaturate(low, high).AsInt64(), 0b_11_01_10_00).AsInt16().Store(codes + k);
        }
        return Vector256.Sum(sum);
    }

    private static int RoundPortable(float* x, float inverse, short* codes, int count)
    {
        var sum = 0;
        for (var k = 0; k < count; k++)
        {
            codes[k] = (short)MathF.Round(x[k] * inverse);
            sum += codes[k];
        }
        return sum;
    }
}
