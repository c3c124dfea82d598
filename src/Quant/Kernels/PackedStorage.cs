using Generated.Kernels;

namespace Generated.Quant.Kernels;

/// <summary>The native memory of a packed matrix: codes row by row, and apart from them scales, zero points and the column order.</summary>
internal sealed unsafe class PackedStorage : IDisposable
{
    private readonly NativeBlock _codes;
    private readonly NativeBlock _scales;
    private readonly NativeBlock? _zeros;
    private readonly NativeBlock? _order;

    /// <param name="rowBytes">Bytes of one row of codes.</param>
    /// <param name="outWidth">Number of rows.</param>
    /// <param name="scales">Scales, row-major.</param>
    /// <param name="zeros">Zero points as stored bytes; empty if symmetric.</param>
    /// <param name="order">Column order, or null.</param>
    /// <param name="slack">Zero bytes after the scales and zero points.</param>
    public PackedStorage(long rowBytes, int outWidth, ReadOnlySpan<float> scales, ReadOnlySpan<byte> zeros, int[]? order, int slack)
    {
        HalfScales = true;
        foreach (var scale in scales)
        {
            if (!float.IsFinite(scale))
                throw new InvalidInputException($"A scale of a quantized weight is {scale}; the weight or its calibration is damaged.");
            HalfScales &= (float)(Half)scale == scale;
        }
        RowBytes = rowBytes;
        _codes = new NativeBlock(rowBytes * outWidth);
        _scales = new NativeBlock((long)scales.Length * (HalfScales ? sizeof(Half) : sizeof(float)) + slack);
        if (HalfScales)
        {
            for (var i = 0; i < scales.Length; i++)
                ((Half*)_scales.Pointer)[i] = (Half)scales[i];
        }
        else
            scales.CopyTo(new Span<float>(_scales.Pointer, scales.Length));
        if (!zeros.IsEmpty)
        {
            _zeros = new NativeBlock(zeros.Length + slack);
            zeros.CopyTo(new Span<byte>(_zeros.Pointer, zeros.Length));
        }
        if (order is not null)
        {
            _order = new NativeBlock(order.Length * (long)sizeof(int));
            order.CopyTo(new Span<int>(_order.Pointer, order.Length));
        }
    }

    public long RowBytes { get; }

    /// <summary>Whether scales are float16 rather than float32.</summary>
    public bool HalfScales { get; }

    public byte* Codes => _codes.Pointer;

    public byte* Scales => _scales.Pointer;

    /// <summary>null if symmetric.</summary>
    public byte* Zeros => _zeros is null ? null : _zeros.Pointer;

    /// <summary>null if columns are in their original order.</summary>
    public int* Order => _order is null ? null : (int*)_order.Pointer;

    public long Bytes => _codes.Bytes + _scales.Bytes + (_zeros?.Bytes ?? 0) + (_order?.Bytes ?? 0);

    public ReadOnlySpan<byte> CodeBytes => new(Codes, checked((int)_codes.Bytes));

    /// <summary>Takes over codes packed before.</summary>
    public void Fill(ReadOnlySpan<byte> packed)
    {
        if (packed.Length != _codes.Bytes)
            throw new InvalidInputException($"A packed weight has {packed.Length} bytes of codes; its sizes ask for {_codes.Bytes}.");
        packed.CopyTo(new Span<byte>(Codes, packed.Length));
    }

    /// <summary>The same, read straight into place.</summary>
    public void Fill(PackedReader read) => read(new Span<byte>(Codes, checked((int)_codes.Bytes)));

    public void Dispose()
    {
        _codes.Dispose();
        _scales.Dispose();
        _zeros?.Dispose();
        _order?.Dispose();
    }
}

/// <summary>Writes packed codes into their place.</summary>
internal delegate void PackedReader(Span<byte> destination);
