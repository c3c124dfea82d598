using TorchSharp;
using static TorchSharp.torch;

namespace Generated.Passes;

/// <summary>Keys and values in 8-bit codes with one static scale per head, [batch, kvHeads, maxLength, headDim] each.</summary>
public sealed class Int8KvSlot : KvSlot
{
    private readonly CacheShape _shape;
    private readonly ScalarType _dtype;
    private readonly Tensor _keyScales;
    private readonly Tensor _valueScales;

    internal Int8KvSlot(CacheShape shape, int batch, int maxLength, ScalarType dtype, Device device)
    {
        (_shape, _dtype) = (shape, dtype);
        Scales = shape.Scales ?? throw new ArgumentException("A cache of 8-bit codes needs scales.", nameof(shape));
        (_keyScales, _valueScales) = (Scales.Keys.ByHead(device), Scales.Values.ByHead(device));
        (Keys, Values) = (Allocate(batch, maxLength, device), Allocate(batch, maxLength, device));
    }

    /// <summary>The scales.</summary>
    public KvScales Scales { get; }

    /// <summary>Codes of all keys.</summary>
    public Tensor Keys { get; private set; }

    /// <summary>Codes of all values.</summary>
    public Tensor Values { get; private set; }

    /// <inheritdoc/>
    public override bool IsExact => false;

    /// <summary>Scales of keys on the device, [1, kvHeads, 1, 1] float32; this slot's.</summary>
    internal Tensor KeyScaleTensor => _keyScales;

    /// <summary>The same of values.</summary>
    internal Tensor ValueScaleTensor => _valueScales;

    /// <inheritdoc/>
    public override int Batch => (int)Keys.shape[0];

    /// <inheritdoc/>
    public override int MaxLength => (int)Keys.shape[2];

    /// <inheritdoc/>
    public override long Bytes => 2 * Keys.numel();

    /// <inheritdoc/>
    public override void Write(Tensor keys, Tensor values, int position)
    {
        Write(Keys, keys, _keyScales, position);
        Write(Values, values, _valueScales, position);
    }

    /// <inheritdoc/>
    public override (Tensor Keys, Tensor Values) Read(int length) => (Read(Keys, _keyScales, length), Read(Values, _valueScales, length));

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
        _keyScales.Dispose();
        _valueScales.Dispose();
    }

    private static void Write(Tensor cache, Tensor heads, Tensor scales, int position)
    {
        using var _ = no_grad();
        using var codes = KvRounding.Codes(heads, scales);
        using var place = cache.narrow(2, position, heads.shape[2]);
        place.copy_(codes).Dispose();
    }

    private Tensor Read(Tensor cache, Tensor scales, int length)
    {
        using var codes = cache.narrow(2, 0, length);
        using var wide = codes.to(ScalarType.Float32);
        using var values = wide.mul(scales);
        return values.to(_dtype);
    }

    private Tensor Moved(Tensor old, int maxLength, int used)
    {
        using (old)
        {
            var grown = Allocate((int)old.shape[0], maxLength, old.device);
            if (used > 0)
            {
                using var from = old.narrow(2, 0, used);
                using var to = grown.narrow(2, 0, used);
                to.copy_(from).Dispose();
            }

            return grown;
        }
    }

    private Tensor Allocate(int batch, int maxLength, Device device) =>
        zeros([batch, _shape.KvHeads, maxLength, _shape.HeadDim], ScalarType.Int8, device).DetachFromDisposeScope();
}
