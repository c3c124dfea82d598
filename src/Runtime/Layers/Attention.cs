using Generated.Parallel;
using Generated.Passes;
using TorchSharp;
using static TorchSharp.torch;

namespace Generated.Layers;

/// <summary>
/// Scaled dot-product attention of queries, keys and values laid out as heads × head width, causal, with what an
/// architecture adds: grouped key/value heads, ALiBi, a sliding window, a prefix that sees itself.
/// </summary>
public sealed class Attention
{
    private readonly double _queryFactor;
    private readonly MaskKind _kind;
    private readonly Tensor? _slopes;
    private readonly int _slot;
    private readonly BuildContext _build;
    private (Tensor Keys, Tensor Values)? _scales;

    /// <param name="build">The model being built.</param>
    /// <param name="heads">Query heads of the whole layer.</param>
    /// <param name="kvHeads">Key/value heads of the whole layer; divides <paramref name="heads"/>.</param>
    /// <param name="headDim">Width of one head.</param>
    /// <param name="alibi">Whether ALiBi's bias, slope × distance, is added to scores.</param>
    /// <param name="window">Number of last tokens that are seen; 0 = all.</param>
    /// <param name="scale">Factor of the scores; 0 = 1/√headDim.</param>
    /// <param name="prefix">Whether a prefix sees itself in both directions.</param>
    /// <param name="shard"><see cref="Shard.None"/> where every rank has all heads; null where a group divides them.</param>
    /// <exception cref="InvalidInputException">Heads do not divide.</exception>
    public Attention(
        BuildContext build, int heads, int kvHeads, int headDim, bool alibi = false, int window = 0, double scale = 0, bool prefix = false, Shard? shard = null)
    {
        ArgumentNullException.ThrowIfNull(build);
        if (heads < 1 || kvHeads < 1 || headDim < 1 || heads % kvHeads != 0)
            throw new InvalidInputException($"{heads} query heads cannot share {kvHeads} key/value heads of width {headDim}; the number of query heads is a multiple of that of key/value heads.");
        if (window < 0)
            throw new InvalidInputException($"An attention window of {window} tokens is impossible; 0 means none.");
        var isDivided = shard?.Kind != ShardKind.None && build.Group.Size > 1;
        var queryRange = isDivided ? Shard.Divide(0, heads, 1, build.Group).Range : new WeightRange(0, heads);
        if (isDivided && queryRange.Length * build.Group.Size != heads)
            throw new InvalidInputException($"{heads} attention heads cannot be divided over {build.Group.Size} ranks; use a tensor-parallel degree that divides {heads}.");
        Heads = (int)queryRange.Length;
        WholeKvHeads = kvHeads;
        KvRange = isDivided ? Shard.Divide(0, kvHeads, 1, build.Group).Range : new WeightRange(0, kvHeads);
        KvHeads = (int)KvRange.Length;
        HeadDim = headDim;
        Scale = scale > 0 ? scale : 1 / Math.Sqrt(headDim);
        _queryFactor = Scale * Math.Sqrt(headDim);
        Window = window;
        HasAlibi = alibi;
        _kind = new MaskKind(prefix, window);
        _build = build;
        _slot = build.AddCacheSlot(this, new CacheShape(KvHeads, headDim));
        if (alibi && !build.Device.type.Equals(DeviceType.META))
        {
            var slopes = Alibi.Slopes(heads).AsSpan((int)queryRange.Start, Heads).ToArray();
            _slopes = build.Own(tensor(slopes, device: build.Device).DetachFromDisposeScope());
            Slopes = slopes;
        }
    }

    /// <summary>Query heads of this rank.</summary>
    public int Heads { get; }

    /// <summary>Key/value heads of this rank.</summary>
    public int KvHeads { get; }

    /// <summary>Width of one head.</summary>
    public int HeadDim { get; }

    /// <summary>Factor of the scores.</summary>
    public double Scale { get; }

    /// <summary>Number of last tokens that are seen; 0 = all.</summary>
    public int Window { get; }

    /// <summary>Whether ALiBi's bias is added.</summary>
    public bool HasAlibi { get; }

    /// <summary>Scales of keys and values that are rounded to 8 bits, or null.</summary>
    public KvScales? KvScales { get; private set; }

    /// <summary>Key/value heads of the whole layer.</summary>
    internal int WholeKvHeads { get; }

    /// <summary>This rank's key/value heads of the whole layer's.</summary>
    internal WeightRange KvRange { get; }

    /// <summary>Largest mask that is made at once, in elements; longer sequences go by blocks of queries.</summary>
    internal long MostMaskElements { get; init; } = 1 << 26;

    /// <summary>The slopes on the device, or null.</summary>
    internal Tensor? SlopeTensor => _slopes;

    /// <summary>ALiBi's slope of each query head of this rank; empty without ALiBi.</summary>
    internal float[] Slopes { get; } = [];

    /// <summary>
    /// Rounds keys and values to 8 bits from now on: caches created later hold the codes, and a full pass rounds as they do, so that what is
    /// measured is what runs.
    /// </summary>
    /// <param name="scales">One of each key/value head of this rank; null for as they are.</param>
    /// <exception cref="InvalidInputException">There is not one positive scale per head.</exception>
    public void RoundKeysAndValues(KvScales? scales)
    {
        scales?.Check(KvHeads);
        _scales?.Keys.Dispose();
        _scales?.Values.Dispose();
        KvScales = scales;
        _scales = scales is null ? null : (_build.Own(scales.Keys.ByHead(_build.Device)), _build.Own(scales.Values.ByHead(_build.Device)));
        _build.SetCacheShape(_slot, new CacheShape(KvHeads, HeadDim) { Scales = scales });
    }

    /// <summary>Attention within a sequence, with gradients where they are enabled.</summary>
    /// <param name="q">[B, T, heads · headDim].</param>
    /// <param name="k">[B, T, kvHeads · headDim].</param>
    /// <param name="v">[B, T, kvHeads · headDim].</param>
    /// <param name="pass">The pass; nothing before it is seen.</param>
    /// <returns>[B, T, heads · headDim]; the caller's.</returns>
    public Tensor Apply(Tensor q, Tensor k, Tensor v, PassContext pass)
    {
        using var keys = ByHead(k, KvHeads);
        using var values = ByHead(v, KvHeads);
        pass.Probe?.KeyValues(this, keys, values);
        if (_scales is not { } scales)
            return Attend(q, keys, values, pass);
        using var roundKeys = KvRounding.Round(keys, scales.Keys);
        using var roundValues = KvRounding.Round(values, scales.Values);
        return Attend(q, roundKeys, roundValues, pass);
    }

    /// <summary>Writes keys and values to the cache and attends to it, without gradients.</summary>
    /// <inheritdoc cref="Apply"/>
    public Tensor Prefill(Tensor q, Tensor k, Tensor v, PassContext pass)
    {
        using var newKeys = ByHead(k, KvHeads);
        using var newValues = ByHead(v, KvHeads);
        var slot = Slot(pass);
        if (pass.Past == 0 && slot is Int8KvSlot codes && CudaSteps.WriteRounded(codes, newKeys, newValues, 0) is var (roundKeys, roundValues))
        {
            using (roundKeys)
            using (roundValues)
                return Attend(q, roundKeys, roundValues, pass);
        }

        slot.Write(newKeys, newValues, pass.Past);
        if (pass.Past == 0 && slot.IsExact)
            return Attend(q, newKeys, newValues, pass);
        var (keys, values) = slot.Read(pass.Total);
        using (keys)
        using (values)
            return Attend(q, keys, values, pass);
    }

    /// <summary>The same for one new token per row.</summary>
    /// <inheritdoc cref="Apply"/>
    public Tensor Decode(Tensor q, Tensor k, Tensor v, PassContext pass)
    {
        if (Fused(q, k, v, null, pass) is { } fused)
            return fused;
        var slot = Slot(pass);
        var rows = q.shape[0];
        using (var newKeys = k.view(rows, KvHeads, 1, HeadDim))
        using (var newValues = v.view(rows, KvHeads, 1, HeadDim))
            slot.Write(newKeys, newValues, pass.Past);
        var (keys, values) = slot.Read(pass.Total);
        using (keys)
        using (values)
        {
            // One query a row: the query heads that share a key/value head take the place of time, so nothing is repeated.
            using var queries = Scaled(q.reshape(rows, KvHeads, Heads / KvHeads, HeadDim));
            using var bias = DecodeBias(q, pass);
            using var result = nn.functional.scaled_dot_product_attention(queries, keys, values, bias);
            return result.reshape(rows, 1, (long)Heads * HeadDim);
        }
    }

    /// <summary>Rotates queries and keys of one new token per row, then decodes.</summary>
    /// <param name="q">[B, 1, heads · headDim], not rotated.</param>
    /// <param name="k">[B, 1, kvHeads · headDim], not rotated.</param>
    /// <param name="v">[B, 1, kvHeads · headDim].</param>
    /// <param name="rope">The rotary embedding of queries and keys, or null for none.</param>
    /// <param name="pass">The pass, with a cache.</param>
    /// <returns>[B, 1, heads · headDim]; the caller's.</returns>
    public Tensor DecodeRotated(Tensor q, Tensor k, Tensor v, Rotary? rope, PassContext pass)
    {
        if (rope is null)
            return Decode(q, k, v, pass);
        if (Fused(q, k, v, rope, pass) is { } fused)
            return fused;
        using var queries = rope.Decode(q, pass);
        using var keys = rope.Decode(k, pass);
        return Decode(queries, keys, v, pass);
    }

    /// <summary>The same by plain operators: scores, softmax, weighted sum.</summary>
    public Flow Eager(Flow q, Flow k, Flow v) => q.With(AttentionOracle.Attend(this, _kind, q.Value, Rounded(k.Value, _scales?.Keys), Rounded(v.Value, _scales?.Values), q.Context));

    /// <summary>Rounded as the cache would, [B, T, kvHeads · headDim].</summary>
    private Tensor Rounded(Tensor x, Tensor? scales)
    {
        if (scales is null)
            return x;
        using var heads = ByHead(x, KvHeads);
        using var rounded = KvRounding.Round(heads, scales);
        using var moved = rounded.transpose(1, 2);
        return moved.reshape(x.shape);
    }

    private Tensor Attend(Tensor q, Tensor keys, Tensor values, PassContext pass)
    {
        using var queries = Scaled(ByHead(q, Heads));
        using var allKeys = Repeated(keys);
        using var allValues = Repeated(values);
        using var result = Run(queries, allKeys, allValues, pass);
        using var moved = result.transpose(1, 2);
        return moved.reshape(q.shape);
    }

    /// <summary>All [B, heads, time, headDim].</summary>
    private Tensor Run(Tensor q, Tensor k, Tensor v, PassContext pass)
    {
        if (_slopes is null && pass.Masks.IsCausal(_kind) && (pass.Past == 0 || pass.Length == 1))
            return nn.functional.scaled_dot_product_attention(q, k, v, is_casual: pass.Length > 1);
        var total = k.shape[2];
        var elements = total * pass.Length * (_slopes is null ? 1 : Heads) * (pass.Masks.IsCausal(_kind) ? 1 : pass.Rows);
        if (elements <= MostMaskElements)
        {
            using var bias = Bias(q, 0, pass.Length, pass);
            return nn.functional.scaled_dot_product_attention(q, k, v, bias);
        }

        var block = (int)Math.Max(1, pass.Length * MostMaskElements / elements);
        var parts = new List<Tensor>();
        try
        {
            for (var first = 0; first < pass.Length; first += block)
            {
                var count = Math.Min(block, pass.Length - first);
                using var part = q.narrow(2, first, count);
                using var bias = Bias(q, first, count, pass);
                parts.Add(nn.functional.scaled_dot_product_attention(part, k, v, bias));
            }

            return cat(parts, 2);
        }
        finally
        {
            foreach (var part in parts)
                part.Dispose();
        }
    }

    /// <summary>Mask and ALiBi's bias, [B or 1, heads or 1, count, total]; the caller's.</summary>
    private Tensor Bias(Tensor q, int first, int count, PassContext pass)
    {
        if (_slopes is null)
            return first == 0 && count == pass.Length
                ? pass.Masks.Additive(_kind, q.dtype, q.device).alias()
                : pass.Masks.Additive(_kind, first, count, q.dtype, q.device);
        using var _ = no_grad();
        using var mask = pass.Masks.Additive(_kind, first, count, ScalarType.Float32, q.device);
        using var distances = Distances(pass.Past + first, count, pass.Total, q.device);
        using var slopes = _slopes.view(1, -1, 1, 1);
        using var bias = distances.mul(slopes);
        using var sum = bias.add(mask);
        return sum.to(q.dtype);
    }

    private Tensor? DecodeBias(Tensor q, PassContext pass)
    {
        using var _ = no_grad();
        if (_slopes is null)
            return pass.Masks.SeesAll(_kind) ? null : pass.Masks.Additive(_kind, q.dtype, q.device).alias();
        using var distances = Distances(pass.Past, 1, pass.Total, q.device);
        using var slopes = _slopes.view(1, KvHeads, -1, 1);
        using var bias = distances.mul(slopes);
        using var sum = pass.Masks.SeesAll(_kind) ? bias.alias() : bias.add(pass.Masks.Additive(_kind, ScalarType.Float32, q.device));
        return sum.to(q.dtype);
    }

    /// <summary>
    /// Key column − query column, [1, 1, count, total] float32. ALiBi is stated with the key's column alone; softmax is blind
    /// to the difference, and distances keep near keys exact in 16 bits.
    /// </summary>
    private static Tensor Distances(int firstQuery, int count, int total, Device device)
    {
        using var keys = arange(total, dtype: ScalarType.Float32, device: device);
        using var queries = arange(firstQuery, firstQuery + count, dtype: ScalarType.Float32, device: device);
        using var column = queries.view(1, 1, -1, 1);
        return keys.sub(column);
    }

    /// <summary>A decode step by own kernels, or null where they do not serve.</summary>
    private Tensor? Fused(Tensor q, Tensor k, Tensor v, Rotary? rope, PassContext pass)
    {
        if (pass.Inputs.Mask.Hidden is not null)
            return null;
        if (CpuSteps.CanRun(q) && CpuSteps.CanRun(k) && CpuSteps.CanRun(v))
        {
            return Slot(pass) switch
            {
                Int8KvSlot codes => CpuSteps.Attend(this, codes, q, k, v, rope, pass),
                DenseKvSlot dense => CpuSteps.Attend(this, dense, q, k, v, rope, pass),
                _ => null,
            };
        }

        return Slot(pass) is DenseKvSlot or Int8KvSlot && CudaSteps.CanAttend(this, rope) && CudaSteps.CanRun(q) && CudaSteps.CanRun(k) && CudaSteps.CanRun(v)
            ? CudaSteps.Attend(this, Slot(pass), q, k, v, rope, pass)
            : null;
    }

    private KvSlot Slot(PassContext pass) => pass.Cache is { } cache
        ? cache.Slots[_slot]
        : throw new InvalidOperationException("Prefill and decode need a KV cache: create the pass with one (CausalModel.NewCache).");

    /// <summary>[B, T, heads · headDim] as [B, heads, T, headDim]; shares memory.</summary>
    private Tensor ByHead(Tensor x, int heads)
    {
        using var view = x.view(x.shape[0], x.shape[1], heads, HeadDim);
        return view.transpose(1, 2);
    }

    /// <summary>Disposes of its argument where it makes a new one: torch's kernel divides by √headDim by itself.</summary>
    private Tensor Scaled(Tensor q)
    {
        if (Math.Abs(_queryFactor - 1) < 1e-12)
            return q;
        using (q)
            return q.mul(_queryFactor);
    }

    /// <summary>Each key/value head once per query head that shares it.</summary>
    private Tensor Repeated(Tensor heads)
    {
        if (KvHeads == Heads)
            return heads.alias();
        long[] shape = heads.shape;
        using var grouped = heads.unsqueeze(2);
        using var expanded = grouped.expand([shape[0], KvHeads, Heads / KvHeads, shape[2], shape[3]]);
        return expanded.reshape(shape[0], Heads, shape[2], shape[3]);
    }
}
