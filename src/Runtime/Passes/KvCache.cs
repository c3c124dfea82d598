using TorchSharp;
using static TorchSharp.torch;

namespace Generated.Passes;

/// <summary>What one attention layer keeps per token.</summary>
/// <param name="KvHeads">Key/value heads of this rank.</param>
/// <param name="HeadDim">Width of a head.</param>
public readonly record struct CacheShape(int KvHeads, int HeadDim)
{
    /// <summary>Scales with which keys and values are kept in 8 bits; null for as they are.</summary>
    public KvScales? Scales { get; init; }
}

/// <summary>Keys and values of the tokens so far, allocated once; it grows only when told to.</summary>
public sealed class KvCache : IDisposable
{
    private readonly KvSlot[] _slots;

    /// <summary>A cache of slots of any kind, in the order of the model's attention layers.</summary>
    public KvCache(IEnumerable<KvSlot> slots) => _slots = [.. slots];

    /// <summary>One slot per attention layer.</summary>
    public IReadOnlyList<KvSlot> Slots => _slots;

    /// <summary>Number of rows.</summary>
    public int Batch => _slots.Length == 0 ? 0 : _slots[0].Batch;

    /// <summary>Number of tokens per row that fit.</summary>
    public int MaxLength => _slots.Length == 0 ? 0 : _slots[0].MaxLength;

    /// <summary>Memory it takes, in bytes.</summary>
    public long Bytes => _slots.Sum(s => s.Bytes);

    /// <summary>Creates a cache that keeps keys and values as they are.</summary>
    public static KvCache Dense(IEnumerable<CacheShape> shapes, int batch, int maxLength, ScalarType dtype, Device device)
    {
        ArgumentNullException.ThrowIfNull(shapes);
        ArgumentOutOfRangeException.ThrowIfLessThan(batch, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(maxLength, 1);
        return new KvCache(shapes.Select(s => new DenseKvSlot(s, batch, maxLength, dtype, device)));
    }

    /// <summary>Creates a cache that keeps keys and values in 8 bits in layers that have scales, as they are in the others.</summary>
    public static KvCache Create(IEnumerable<CacheShape> shapes, int batch, int maxLength, ScalarType dtype, Device device)
    {
        ArgumentNullException.ThrowIfNull(shapes);
        ArgumentOutOfRangeException.ThrowIfLessThan(batch, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(maxLength, 1);
        return new KvCache(shapes.Select<CacheShape, KvSlot>(
            s => s.Scales is null ? new DenseKvSlot(s, batch, maxLength, dtype, device) : new Int8KvSlot(s, batch, maxLength, dtype, device)));
    }

    /// <summary>Makes room for <paramref name="maxLength"/> tokens per row, keeping the first <paramref name="used"/>.</summary>
    public void Grow(int maxLength, int used)
    {
        foreach (var slot in _slots)
            slot.Grow(maxLength, used);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var slot in _slots)
            slot.Dispose();
    }
}

/// <summary>Keys and values of one attention layer.</summary>
public abstract class KvSlot : IDisposable
{
    /// <summary>Number of rows.</summary>
    public abstract int Batch { get; }

    /// <summary>Number of tokens per row that fit.</summary>
    public abstract int MaxLength { get; }

    /// <summary>Memory it takes, in bytes.</summary>
    public abstract long Bytes { get; }

    /// <summary>Whether what is read equals what was written.</summary>
    public virtual bool IsExact => true;

    /// <summary>Writes keys and values of new tokens.</summary>
    /// <param name="keys">[batch, kvHeads, t, headDim].</param>
    /// <param name="values">[batch, kvHeads, t, headDim].</param>
    /// <param name="position">Column of the first of them.</param>
    public abstract void Write(Tensor keys, Tensor values, int position);

    /// <summary>The first <paramref name="length"/> keys and values, [batch, kvHeads, length, headDim]; views or copies, the caller's to dispose of.</summary>
    public abstract (Tensor Keys, Tensor Values) Read(int length);

    /// <summary>Makes room for <paramref name="maxLength"/> tokens per row, keeping the first <paramref name="used"/>.</summary>
    public abstract void Grow(int maxLength, int used);

    /// <inheritdoc/>
    public abstract void Dispose();
}

/// <summary>Keys and values as they are, [batch, kvHeads, maxLength, headDim] each.</summary>
public sealed class DenseKvSlot : KvSlot
{
    private readonly CacheShape _shape;

    internal DenseKvSlot(CacheShape shape, int batch, int maxLength, ScalarType dtype, Device device)
    {
        _shape = shape;
        Keys = Allocate(batch, maxLength, dtype, device);
        Values = Allocate(batch, maxLength, dtype, device);
    }

    /// <summary>All keys, [batch, kvHeads, maxLength, headDim].</summary>
    public Tensor Keys { get; private set; }

    /// <summary>All values, [batch, kvHeads, maxLength, headDim].</summary>
    public Tensor Values { get; private set; }

    /// <inheritdoc/>
    public override int Batch => (int)Keys.shape[0];

    /// <inheritdoc/>
    public override int MaxLength => (int)Keys.shape[2];

    /// <inheritdoc/>
    public override long Bytes => 2 * Keys.numel() * Keys.ElementSize;

    /// <inheritdoc/>
    public override void Write(Tensor keys, Tensor values, int position)
    {
        var length = keys.shape[2];
        using var keyPlace = Keys.narrow(2, position, length);
        using var valuePlace = Values.narrow(2, position, length);
        keyPlace.copy_(keys);
        valuePlace.copy_(values);
    }

    /// <inheritdoc/>
    public override (Tensor Keys, Tensor Values) Read(int length) => (Keys.narrow(2, 0, length), Values.narrow(2, 0, length));

    /// <inheritdoc/>
    public override void Grow(int maxLength, int used)
    {
        if (maxLength <= MaxLength)
            return;
        Keys = Moved(Keys, maxLength, used);
        Values = Moved(Values, maxLength, used);
    }

    /// <inheritdoc/>
    public override void Dispose()
    {
        Keys.Dispose();
        Values.Dispose();
    }

    private Tensor Moved(Tensor old, int maxLength, int used)
    {
        using (old)
        {
            var grown = Allocate((int)old.shape[0], maxLength, old.dtype, old.device);
            if (used > 0)
            {
                using var from = old.narrow(2, 0, used);
                using var to = grown.narrow(2, 0, used);
                to.copy_(from);
            }

            return grown;
        }
    }

    // Zeros and not garbage: a column that is masked has weight 0, and 0 · NaN would be NaN.
    private Tensor Allocate(int batch, int maxLength, ScalarType dtype, Device device) =>
        zeros([batch, _shape.KvHeads, maxLength, _shape.HeadDim], dtype, device).DetachFromDisposeScope();
}
