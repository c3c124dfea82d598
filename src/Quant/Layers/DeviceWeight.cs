using Generated.Kernels;
using Generated.Quant.Kernels;
using TorchSharp;
using static TorchSharp.torch;

namespace Generated.Quant.Layers;

/// <summary>
/// The parts of a packed matrix as tensors of a device: 8-bit codes [out, in] int8, 4-bit codes [out, in / 2] two in a byte (the even column in the
/// high half), scales and zero points [out, groups], and the order of columns.
/// </summary>
internal sealed class DeviceWeight : IDisposable
{
    private readonly Tensor _scales;
    private readonly Tensor? _zeros;
    private readonly Tensor? _order;
    private readonly Dictionary<ScalarType, Tensor> _channelScales = [];
    private Tensor? _codes;

    private DeviceWeight(PackedMatrix matrix, Tensor codes, Tensor scales, Tensor? zeros, Tensor? order)
    {
        (Bits, OutWidth, InWidth, GroupSize) = (matrix.Bits, matrix.OutWidth, matrix.InWidth, matrix.GroupSize);
        (_codes, _scales, _zeros, _order) = (codes, scales, zeros, order);
    }

    public int Bits { get; }

    public int OutWidth { get; }

    public int InWidth { get; }

    /// <summary>Columns of a group; <see cref="InWidth"/> where a row has one scale.</summary>
    public int GroupSize { get; }

    /// <summary>Whether there is one scale per output and no zero point.</summary>
    public bool IsPerChannel => GroupSize == InWidth && _zeros is null;

    public Tensor Codes => _codes ?? throw new InvalidOperationException("The codes were packed anew and let go.");

    public long Bytes => Size(_codes) + Size(_scales) + Size(_zeros) + Size(_order) + _channelScales.Values.Sum(Size);

    /// <summary>Copies a matrix's parts to a device.</summary>
    public static unsafe DeviceWeight Of(PackedMatrix matrix, Device device)
    {
        var storage = matrix.Storage;
        var count = matrix.OutWidth * matrix.Groups;
        var scales = new float[count];
        for (var i = 0; i < count; i++)
            scales[i] = storage.HalfScales ? (float)((Half*)storage.Scales)[i] : ((float*)storage.Scales)[i];
        float[]? zeros = null;
        if (storage.Zeros != null)
        {
            zeros = new float[count];
            for (var i = 0; i < count; i++)
                zeros[i] = matrix.Bits == 4 ? storage.Zeros[i] : ((short*)storage.Zeros)[i];
        }

        long[]? order = storage.Order == null ? null : Array.ConvertAll(new ReadOnlySpan<int>(storage.Order, matrix.InWidth).ToArray(), k => (long)k);
        return new DeviceWeight(
            matrix, Upload(matrix, storage, device), Table(scales)!, Table(zeros), order is null ? null : tensor(order, device: device).DetachFromDisposeScope());

        Tensor? Table(float[]? values)
        {
            if (values is null)
                return null;
            using var flat = tensor(values, device: device);
            return flat.view(matrix.OutWidth, matrix.Groups).DetachFromDisposeScope();
        }
    }

    /// <summary>An input with its columns in the order of the codes. May be the argument itself.</summary>
    public Tensor Ordered(Tensor x) => _order is null ? x : x.index_select(-1, _order);

    /// <summary>A weight's columns back in the layer's order. May be the argument itself.</summary>
    public Tensor Unordered(Tensor weight)
    {
        if (_order is null)
            return weight;
        using var back = _order.argsort();
        return weight.index_select(1, back);
    }

    /// <summary>The weight, [out, in] float32, columns in the layer's order.</summary>
    public Tensor Dequantize()
    {
        using var scope = NewDisposeScope();
        return Unordered(DequantizeOrdered()).MoveToOuterDisposeScope();
    }

    /// <summary>The weight with its columns in the order of the codes.</summary>
    public Tensor DequantizeOrdered()
    {
        using var scope = NewDisposeScope();
        var codes = (Bits == 8 ? Codes : Nibbles()).to(ScalarType.Float32);
        var groups = _scales.repeat_interleave(GroupSize, 1).narrow(1, 0, InWidth);
        var zero = _zeros is null ? tensor(Bits == 8 ? 0f : 8f, device: _scales.device) : _zeros.repeat_interleave(GroupSize, 1).narrow(1, 0, InWidth);
        return ((codes - zero) * groups).MoveToOuterDisposeScope();
    }

    /// <summary>Scales of outputs in a type, [out]; this one's.</summary>
    public Tensor ChannelScales(ScalarType type)
    {
        if (!_channelScales.TryGetValue(type, out var scales))
        {
            using var flat = _scales.reshape(-1);
            _channelScales.Add(type, scales = flat.to(type).DetachFromDisposeScope());
        }

        return scales;
    }

    /// <summary>4-bit codes as libtorch's packing takes them; the caller's.</summary>
    public Tensor ForInt4Packing(bool onePerNumber) => onePerNumber ? Nibbles().to(ScalarType.Int32) : Codes.alias();

    /// <summary>Scales and zeros as libtorch's 4-bit product takes them, w = (code − 8) · scale + zero: [groups, out, 2] bfloat16; the caller's.</summary>
    public Tensor Int4Scales(int groupSize)
    {
        using var scope = NewDisposeScope();
        var zeros = _zeros is null ? zeros_like(_scales) : (8 - _zeros) * _scales;
        var both = stack([_scales, zeros], -1).transpose(0, 1);
        if (groupSize != GroupSize)
            both = both.repeat_interleave(GroupSize / groupSize, 0);
        return both.to(ScalarType.BFloat16).contiguous().MoveToOuterDisposeScope();
    }

    /// <summary>Frees the codes after they have been packed otherwise.</summary>
    public void ReleaseCodes()
    {
        _codes?.Dispose();
        _codes = null;
    }

    public void Dispose()
    {
        ReleaseCodes();
        _scales.Dispose();
        _zeros?.Dispose();
        _order?.Dispose();
        foreach (var scales in _channelScales.Values)
            scales.Dispose();
    }

    private Tensor Nibbles()
    {
        using var scope = NewDisposeScope();
        var pairs = stack([Codes.bitwise_right_shift(4), Codes.bitwise_and(15)], -1);
        return pairs.view(OutWidth, -1).narrow(1, 0, InWidth).MoveToOuterDisposeScope();
    }

    private static unsafe Tensor Upload(PackedMatrix matrix, PackedStorage storage, Device device)
    {
        var width = matrix.Bits == 8 ? matrix.InWidth : (matrix.InWidth + 1) / 2;
        using var host = zeros([matrix.OutWidth, width], matrix.Bits == 8 ? ScalarType.Int8 : ScalarType.Byte);
        var destination = (byte*)Native.TorchSharpExports.Address(host);
        for (var row = 0L; row < matrix.OutWidth; row++)
        {
            byte* source = storage.Codes + row * storage.RowBytes, target = destination + row * width;
            if (matrix.Bits == 8)
                new ReadOnlySpan<byte>(source, width).CopyTo(new Span<byte>(target, width));
            else
            {
                for (var k = 0; k < matrix.InWidth; k++)
                    target[k / 2] |= (byte)(((source[Int4Codes.ByteOf(k)] >> Int4Codes.ShiftOf(k)) & 15) << (k % 2 == 0 ? 4 : 0));
            }
        }

        return host.to(device, copy: true).DetachFromDisposeScope();
    }

    private static long Size(Tensor? x) => x is null ? 0 : x.numel() * x.ElementSize;
}
