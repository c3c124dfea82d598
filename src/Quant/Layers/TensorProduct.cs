using Generated.Quant.Kernels;
using TorchSharp;
using static TorchSharp.torch;

namespace Generated.Quant.Layers;

/// <summary>
/// Products on CUDA by libtorch's low-bit operators: 4-bit weights in bfloat16 models, 8-bit weights, and int8 × int8. Whatever they do not take
/// (types, widths, groups) is dequantized for the product, which is right but no faster than a dense layer.
/// </summary>
internal sealed class TensorProduct : WeightProduct
{
    private const int FewestInt8Rows = 32; // torch._int_mm wants more than 16
    private const int UsualGroup = 128;

    private readonly DeviceWeight _weight;
    private readonly InputStep _input;
    private readonly LowBitOps _ops;
    private readonly Tensor? _packed;
    private readonly Tensor? _packedScales;
    private readonly int _packedGroup;

    /// <param name="matrix">The packed weight; this copies and disposes of it.</param>
    /// <param name="input">What is done to the input first; the caller's.</param>
    /// <param name="device">Where to.</param>
    public TensorProduct(PackedMatrix matrix, InputStep input, Device device)
    {
        using var noGrad = no_grad();
        (_input, _ops) = (input, LowBitOps.On(device));
        using (matrix)
            _weight = DeviceWeight.Of(matrix, device);
        _packedGroup = _weight.GroupSize == _weight.InWidth && _weight.InWidth % UsualGroup == 0 ? UsualGroup : _weight.GroupSize;
        if (_weight.Bits != 4 || !_ops.HasPackedInt4 || _packedGroup is not (32 or 64 or 128 or 256)
            || _weight.InWidth % _packedGroup != 0 || _weight.InWidth % 64 != 0 || _weight.OutWidth % 16 != 0)
            return;
        var tiles = _weight.InWidth % 128 == 0 ? 8 : 4;
        using var codes = _weight.ForInt4Packing(device.type == DeviceType.CPU);
        _packed = _ops.PackInt4(codes, tiles).DetachFromDisposeScope();
        _packedScales = _weight.Int4Scales(_packedGroup).DetachFromDisposeScope();
        _weight.ReleaseCodes();
    }

    public override long Bytes => _weight.Bytes + Size(_packed) + Size(_packedScales);

    /// <summary>Whether 4-bit codes lie as libtorch's operator wants them, for products in bfloat16.</summary>
    public bool IsPackedInt4 => _packed is not null;

    public override Tensor Multiply(Tensor x, Tensor? bias)
    {
        using var scope = NewDisposeScope();
        var rows = x.reshape(-1, _weight.InWidth);
        var input = _input.HasTransform ? _input.Transform(rows.to(ScalarType.Float32)) : rows;
        Tensor y;
        if (_input.Activations is not null && _weight.IsPerChannel && _ops.HasInt8 && _weight.Bits == 8)
            y = MultiplyIntegers(_weight.Ordered(input));
        else
            y = MultiplyFloats(_weight.Ordered(_input.Activations is null ? input : _input.Round(input.to(ScalarType.Float32))).to(x.dtype));
        if (bias is not null)
            y = y + bias;
        return y.to(x.dtype).view([.. x.shape.AsSpan(0, (int)x.dim() - 1), _weight.OutWidth]).MoveToOuterDisposeScope();
    }

    public override Tensor Dequantize()
    {
        if (_packed is null)
            return _weight.Dequantize();
        // The operator's product with the identity is the weight, exactly.
        using var scope = NewDisposeScope();
        var identity = eye(_weight.InWidth, dtype: ScalarType.BFloat16, device: _packed.device);
        var columns = _ops.PackedInt4(identity, _packed, _packedGroup, _packedScales!).to(ScalarType.Float32).t();
        return _weight.Unordered(columns).contiguous().MoveToOuterDisposeScope();
    }

    public override void Dispose()
    {
        _weight.Dispose();
        _packed?.Dispose();
        _packedScales?.Dispose();
    }

    private Tensor MultiplyFloats(Tensor x)
    {
        if (_packed is not null)
            return _ops.PackedInt4(x.to(ScalarType.BFloat16), _packed, _packedGroup, _packedScales!);
        if (_weight.Bits == 8 && _weight.IsPerChannel)
        {
            if (x.shape[0] <= FewestInt8Rows && _ops.HasPackedInt8 && x.dtype != ScalarType.Float32)
                return _ops.PackedInt8(x.contiguous(), _weight.Codes, _weight.ChannelScales(x.dtype));
            return x.matmul(_weight.Codes.to(x.dtype).t()) * _weight.ChannelScales(x.dtype);
        }

        return x.matmul(_weight.DequantizeOrdered().to(x.dtype).t());
    }

    /// <summary>Exact integer sums, scaled once.</summary>
    private Tensor MultiplyIntegers(Tensor x)
    {
        var wide = x.to(ScalarType.Float32);
        var scales = _input.Scale is null ? _input.TokenScales(wide).clamp_min(InputStep.SmallestScale).unsqueeze(-1) : null;
        var codes = (scales is null ? wide.div(_input.Scale!.Value) : wide.div(scales)).round().clamp(-128, 127).to(ScalarType.Int8);
        var count = codes.shape[0];
        if (count < FewestInt8Rows)
            codes = nn.functional.pad(codes, [0, 0, 0, FewestInt8Rows - count]);
        var sums = _ops.Int8(codes, _weight.Codes.t()).narrow(0, 0, count).to(ScalarType.Float32);
        var channels = _weight.ChannelScales(ScalarType.Float32);
        return sums * (scales is null ? channels * _input.Scale!.Value : channels * scales);
    }

    private static long Size(Tensor? x) => x is null ? 0 : x.numel() * x.ElementSize;
}
