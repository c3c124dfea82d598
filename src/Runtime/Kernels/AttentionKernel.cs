using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Generated.Kernels;

/// <summary>Sizes and options of <see cref="AttentionKernel"/>.</summary>
public readonly record struct AttentionShape
{
    /// <summary>Query heads; a multiple of <see cref="KvHeads"/>, whose consecutive runs share a key/value head.</summary>
    public required int Heads { get; init; }

    /// <summary>Key/value heads.</summary>
    public required int KvHeads { get; init; }

    /// <summary>Width of a head.</summary>
    public required int HeadDim { get; init; }

    /// <summary>Elements from one key/value head of a cache to the next: capacity · HeadDim of a cache [batch, KvHeads, capacity, HeadDim].</summary>
    public required long HeadStride { get; init; }

    /// <summary>Elements from one row of the batch to the next.</summary>
    public required long BatchStride { get; init; }

    /// <summary>Multiplies the scores: usually 1/√HeadDim.</summary>
    public required float Scale { get; init; }

    /// <summary>Only this many last positions are seen; 0 for all.</summary>
    public int Window { get; init; }
}

/// <summary>Attention of one query position per row of a batch over a contiguous key/value cache: the attention of a decoding step.</summary>
/// <remarks>
/// Softmax is online, in tiles of positions (Milakov and Gimelshein, 2018; FlashAttention, Dao et al., 2022): any length in constant
/// memory, each key and value read once for all query heads that share it. Sums are float32. The result of a row does not depend on the
/// rest of the batch nor on the number of threads. NaN in a score makes the head's output NaN.
/// </remarks>
public static unsafe class AttentionKernel
{
    private const int Tile = 32;

    /// <param name="format">How both caches are stored.</param>
    /// <param name="shape">Sizes.</param>
    /// <param name="q">[batch, Heads, HeadDim] float32.</param>
    /// <param name="keys">[batch, KvHeads, capacity, HeadDim].</param>
    /// <param name="values">[batch, KvHeads, capacity, HeadDim].</param>
    /// <param name="starts">[batch] first position to see (the left padding); null for 0.</param>
    /// <param name="length">Filled positions, the query's own included: positions starts[row] up to length are seen.</param>
    /// <param name="slopes">[Heads] ALiBi slopes (Press et al., 2021): slope · key position is added to the scores; null for none.</param>
    /// <param name="y">[batch, Heads, HeadDim] float32; must not overlap <paramref name="q"/>.</param>
    /// <param name="batch">Number of rows.</param>
    /// <param name="team">Threads to use; <see cref="ThreadTeam.Shared"/> if null.</param>
    public static void Attend(WeightFormat format, in AttentionShape shape, float* q, void* keys, void* values, int* starts, int length, float* slopes, float* y, int batch, ThreadTeam? team = null)
    {
        var operands = new AttentionOperands { Shape = shape, Q = q, Keys = keys, Values = values, Starts = starts, Length = length, Slopes = slopes, Y = y, Batch = batch };
        switch (format)
        {
            case WeightFormat.Float32:
                Run<float, Float32>(operands, team);
                break;
            case WeightFormat.BFloat16:
                Run<ushort, BFloat16>(operands, team);
                break;
            case WeightFormat.Float16:
                Run<ushort, Float16>(operands, team);
                break;
            default:
                throw new ArgumentOutOfRangeException(nameof(format), format, "No such cache format.");
        }
    }

    /// <summary>Attention over a cache of signed 8-bit codes with one scale per key/value head; see <see cref="RowKernels.Quantize"/>.</summary>
    /// <param name="shape">Sizes.</param>
    /// <param name="q">[batch, Heads, HeadDim] float32.</param>
    /// <param name="keys">[batch, KvHeads, capacity, HeadDim].</param>
    /// <param name="values">[batch, KvHeads, capacity, HeadDim].</param>
    /// <param name="keyScales">[KvHeads]: a key is its codes times this.</param>
    /// <param name="valueScales">[KvHeads].</param>
    /// <param name="starts">[batch] first position to see (the left padding); null for 0.</param>
    /// <param name="length">Filled positions, the query's own included.</param>
    /// <param name="slopes">[Heads] ALiBi slopes; null for none.</param>
    /// <param name="y">[batch, Heads, HeadDim] float32; must not overlap <paramref name="q"/>.</param>
    /// <param name="batch">Number of rows.</param>
    /// <param name="team">Threads to use; <see cref="ThreadTeam.Shared"/> if null.</param>
    public static void AttendInt8(in AttentionShape shape, float* q, sbyte* keys, sbyte* values, float* keyScales, float* valueScales, int* starts, int length, float* slopes, float* y, int batch, ThreadTeam? team = null)
        => Run<sbyte, Int8>(
            new AttentionOperands
            {
                Shape = shape,
                Q = q,
                Keys = keys,
                Values = values,
                KeyScales = keyScales,
                ValueScales = valueScales,
                Starts = starts,
                Length = length,
                Slopes = slopes,
                Y = y,
                Batch = batch,
            },
            team);

    private static void Check(in AttentionShape shape, int* starts, int length, int batch)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(batch);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(length);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(shape.HeadDim);
        ArgumentOutOfRangeException.ThrowIfNegative(shape.Window);
        if (shape.KvHeads < 1 || shape.Heads < 1 || shape.Heads % shape.KvHeads != 0)
            throw new ArgumentException($"{shape.Heads} query heads cannot share {shape.KvHeads} key/value heads evenly.", nameof(shape));
        for (var row = 0; starts != null && row < batch; row++)
        {
            if (starts[row] < 0 || starts[row] >= length)
                throw new ArgumentException($"Row {row} starts at {starts[row]} of {length} positions; it needs at least one.", nameof(starts));
        }
    }

    /// <summary>Less cache than this is not worth a second thread.</summary>
    private const int SerialBytes = 64 * 1024;

    private static void Run<TStored, TElement>(in AttentionOperands operands, ThreadTeam? team)
        where TStored : unmanaged
        where TElement : struct, IElement<TStored>
    {
        Check(operands.Shape, operands.Starts, operands.Length, operands.Batch);
        var job = new Job<TStored, TElement> { Operands = operands };
        var units = operands.Batch * operands.Shape.KvHeads;
        if ((long)units * operands.Length * operands.Shape.HeadDim * sizeof(TStored) * 2 > SerialBytes)
            (team ?? ThreadTeam.Shared).Run(ref job, units);
        else
        {
            for (var unit = 0; unit < units; unit++)
                job.Execute(unit);
        }
    }

    private struct AttentionOperands
    {
        public AttentionShape Shape;
        public float* Q;
        public void* Keys;
        public void* Values;
        public float* KeyScales;
        public float* ValueScales;
        public int* Starts;
        public int Length;
        public float* Slopes;
        public float* Y;
        public int Batch;
    }

    private struct Job<TStored, TElement> : ITeamJob
        where TStored : unmanaged
        where TElement : struct, IElement<TStored>
    {
        public AttentionOperands Operands;

        /// <summary>One key/value head of one row: all query heads that share it.</summary>
        public readonly void Execute(int unit)
        {
            ref readonly var shape = ref Operands.Shape;
            int row = unit / shape.KvHeads, kvHead = unit % shape.KvHeads, dim = shape.HeadDim, shared = shape.Heads / shape.KvHeads, length = Operands.Length;
            var offset = row * shape.BatchStride + kvHead * shape.HeadStride;
            TStored* keys = (TStored*)Operands.Keys + offset, values = (TStored*)Operands.Values + offset;
            var first = Operands.Starts == null ? 0 : Operands.Starts[row];
            if (shape.Window > 0)
                first = Math.Max(first, length - shape.Window);
            var heads = ((long)row * shape.Heads + kvHead * shared) * dim;
            float* q = Operands.Q + heads, y = Operands.Y + heads;
            var scale = shape.Scale * (Operands.KeyScales == null ? 1 : Operands.KeyScales[kvHead]);
            new Span<float>(y, shared * dim).Clear();
            float* largest = stackalloc float[shared], sum = stackalloc float[shared];
            for (var head = 0; head < shared; head++)
            {
                largest[head] = float.NegativeInfinity;
                sum[head] = 0;
            }
            for (var tile = first; tile < length; tile += Tile)
            {
                var count = Math.Min(Tile, length - tile);
                for (var head = 0; head < shared; head++)
                {
                    var slope = Operands.Slopes == null ? 0 : Operands.Slopes[kvHead * shared + head];
                    AddTile<TStored, TElement>(q + head * dim, keys + (long)tile * dim, values + (long)tile * dim, count, dim,
                        scale, slope, slope * (tile - length + 1), y + head * dim, ref largest[head], ref sum[head]);
                }
            }
            var valueScale = Operands.ValueScales == null ? 1 : Operands.ValueScales[kvHead];
            for (var head = 0; head < shared; head++)
                Scale(y + head * dim, valueScale / sum[head], dim);
        }
    }

    /// <summary>Takes <paramref name="count"/> positions into one head's running softmax; the bias of the first is <paramref name="bias"/>.</summary>
    [SkipLocalsInit]
    private static void AddTile<TStored, TElement>(float* q, TStored* keys, TStored* values, int count, int dim, float scale, float slope, float bias, float* y, ref float largest, ref float sum)
        where TStored : unmanaged
        where TElement : struct, IElement<TStored>
    {
        float* scores = stackalloc float[Tile];
        var top = largest;
        for (var i = 0; i < count; i++)
        {
            scores[i] = Dot<TStored, TElement>(keys + (long)i * dim, q, dim) * scale + (bias + slope * i);
            top = MathF.Max(top, scores[i]);
        }
        if (top > largest)
        {
            var rescale = MathF.Exp(largest - top); // 0 the first time
            sum *= rescale;
            Scale(y, rescale, dim);
            largest = top;
        }
        for (var i = 0; i < count; i++)
        {
            scores[i] = MathF.Exp(scores[i] - top);
            sum += scores[i];
        }
        AddWeighted<TStored, TElement>(values, scores, count, y, dim);
    }

    private static float Dot<TStored, TElement>(TStored* key, float* q, int dim)
        where TStored : unmanaged
        where TElement : struct, IElement<TStored>
    {
        Vector256<float> a = default, b = default;
        var k = 0;
        for (; k <= dim - 16; k += 16)
        {
            a = Vector256.MultiplyAddEstimate(TElement.Load256(key + k), Vector256.Load(q + k), a);
            b = Vector256.MultiplyAddEstimate(TElement.Load256(key + k + 8), Vector256.Load(q + k + 8), b);
        }
        var sum = Vector256.Sum(a + b);
        for (; k < dim; k++)
            sum += TElement.Load(key + k) * q[k];
        return sum;
    }

    /// <summary>y += Σ_i weights[i] · values[i].</summary>
    private static void AddWeighted<TStored, TElement>(TStored* values, float* weights, int count, float* y, int dim)
        where TStored : unmanaged
        where TElement : struct, IElement<TStored>
    {
        var k = 0;
        for (; k <= dim - 16; k += 16)
        {
            Vector256<float> a = Vector256.Load(y + k), b = Vector256.Load(y + k + 8);
            var value = values + k;
            for (var i = 0; i < count; i++, value += dim)
            {
                var weight = Vector256.Create(weights[i]);
                a = Vector256.MultiplyAddEstimate(TElement.Load256(value), weight, a);
                b = Vector256.MultiplyAddEstimate(TElement.Load256(value + 8), weight, b);
            }
            a.Store(y + k);
            b.Store(y + k + 8);
        }
        for (; k < dim; k++)
        {
            for (var i = 0; i < count; i++)
                y[k] += TElement.Load(values + (long)i * dim + k) * weights[i];
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Scale(float* y, float factor, int dim)
    {
        var k = 0;
        for (; k <= dim - 8; k += 8)
            (Vector256.Load(y + k) * factor).Store(y + k);
        for (; k < dim; k++)
            y[k] *= factor;
    }
}
