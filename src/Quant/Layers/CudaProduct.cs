using Generated.Quant.Kernels;
using Generated.Quant.Kernels.Cuda;
using TorchSharp;
using static TorchSharp.torch;

namespace Generated.Quant.Layers;

/// <summary>
/// Products on CUDA by own kernels: few rows (decoding) from the codes, many by the dequantized weight and libtorch's product; 8-bit inputs by
/// exact integer products, many rows through <c>torch._int_mm</c>.
/// </summary>
internal sealed class CudaProduct : WeightProduct
{
    private const int FewestIntegerRows = 32; // torch._int_mm wants more than 16

    private readonly DeviceWeight _weight;
    private readonly CodeTable _table;
    private readonly InputStep _input;
    private readonly LowBitOps _ops;

    /// <param name="matrix">The packed weight; this copies and disposes of it.</param>
    /// <param name="input">What is done to the input first; the caller's.</param>
    /// <param name="device">Where to.</param>
    public CudaProduct(PackedMatrix matrix, InputStep input, Device device)
    {
        using var noGrad = no_grad();
        (_input, _ops) = (input, LowBitOps.On(device));
        using (matrix)
            _weight = DeviceWeight.Of(matrix, device);
        _table = _weight.Table();
    }

    /// <summary>Whether there are kernels for a weight.</summary>
    public static bool CanRun(PackedMatrix matrix) => LowBitKernels.CanRun(matrix.Bits, matrix.InWidth);

    public override long Bytes => _weight.Bytes;

    public override Tensor Multiply(Tensor x, Tensor? bias)
    {
        using var scope = NewDisposeScope();
        var rows = x.reshape(-1, _weight.InWidth);
        var input = _input.HasTransform || rows.dtype == ScalarType.Float64 ? _input.Transform(rows.to(ScalarType.Float32)) : rows;
        var y = _input.Activations is not null && _weight.IsPerChannel && _weight.Bits == 8 && _ops.HasInt8
            ? MultiplyIntegers(input, bias)
            : MultiplyFloats(_input.Activations is null ? input : _input.Round(input.to(ScalarType.Float32)), bias);
        return y.to(x.dtype).view([.. x.shape.AsSpan(0, (int)x.dim() - 1), _weight.OutWidth]).MoveToOuterDisposeScope();
    }

    public override Tensor Dequantize()
    {
        using var scope = NewDisposeScope();
        return _weight.Unordered(LowBitKernels.Dequantize(_table, ScalarType.Float32)).MoveToOuterDisposeScope();
    }

    public override void Dispose() => _weight.Dispose();

    private Tensor MultiplyFloats(Tensor x, Tensor? bias)
    {
        var input = _weight.Ordered(x).contiguous();
        if (input.shape[0] <= LowBitKernels.MaxRows)
            return LowBitKernels.MultiplyFew(input, _table, bias);
        var product = input.matmul(LowBitKernels.Dequantize(_table, input.dtype).t());
        return bias is null ? product : product + bias;
    }

    private Tensor MultiplyIntegers(Tensor x, Tensor? bias)
    {
        var input = _weight.Ordered(x).contiguous();
        var (codes, scales) = _input.IsShared ? SharedCodes(input) : LowBitKernels.QuantizeRows(input, _input.Scale);
        var count = codes.shape[0];
        if (count <= LowBitKernels.MaxRows)
            return LowBitKernels.MultiplyCodes(codes, scales, _table, bias, x.dtype);
        if (count < FewestIntegerRows)
            codes = nn.functional.pad(codes, [0, 0, 0, FewestIntegerRows - count]);
        return LowBitKernels.ScaleSums(_ops.Int8(codes, _table.Codes.t()).narrow(0, 0, count), scales, _table, bias, x.dtype);
    }

    /// <summary>Codes by scales that ranks agree on, since each has a part of a row.</summary>
    private (Tensor Codes, Tensor Scales) SharedCodes(Tensor x)
    {
        var wide = x.to(ScalarType.Float32);
        var scales = _input.TokenScales(wide).clamp_min(InputStep.SmallestScale);
        return (wide.div(scales.unsqueeze(-1)).round().clamp(-128, 127).to(ScalarType.Int8), scales);
    }
}
