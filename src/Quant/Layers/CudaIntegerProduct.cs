using Generated.Layers;
using Generated.Native;
using Generated.Quant.Kernels;
using Generated.Quant.Kernels.Cuda;
using TorchSharp;
using static TorchSharp.torch;

namespace Generated.Quant.Layers;

/// <summary>
/// Products of 8-bit inputs with 8-bit weights of one scale per output on CUDA, in exact integer sums: few rows (decoding) by own kernels, of which
/// one rounds its row on the way; many by cuBLASLt between own kernels that round and scale.
/// </summary>
internal sealed class CudaIntegerProduct : CudaKernelProduct<CudaIntegerProduct>
{
    private readonly DeviceWeight _weight;
    private readonly Tensor _scales;

    /// <param name="matrix">The packed weight; this copies and disposes of it.</param>
    /// <param name="input">What is done to the input first; the caller's.</param>
    /// <param name="device">Where to.</param>
    public CudaIntegerProduct(PackedMatrix matrix, InputStep input, Device device)
        : base(input, device)
    {
        using var noGrad = no_grad();
        using (matrix)
            _weight = DeviceWeight.Of(matrix, device);
        _scales = _weight.ChannelScales(ScalarType.Float32);
        Argument = new WeightArgument { Codes = TorchSharpExports.Address(_weight.Codes), Scales = TorchSharpExports.Address(_scales), OutWidth = _weight.OutWidth };
    }

    /// <summary>Whether there are kernels for a weight and its input.</summary>
    public static bool CanRun(PackedMatrix matrix, InputStep input, Device device) =>
        input.Activations is not null && matrix.Bits == 8 && matrix.Groups == 1 && matrix.IsSymmetric
        && Int8RowKernels.CanRun(matrix.OutWidth, matrix.InWidth, device);

    public override long Bytes => _weight.Bytes;

    protected override WeightArgument Argument { get; }

    public override Tensor Dequantize() => _weight.Dequantize();

    public override void Dispose() => _weight.Dispose();

    protected override bool GoesWith(CudaIntegerProduct other) => true; // all have one scale per output

    protected override Tensor Multiply(Tensor x, ReadOnlySpan<CudaIntegerProduct> members, ReadOnlySpan<Tensor?> biases)
    {
        var result = Multiply(x, Arguments(members, biases), members, biases);
        Keep(members, biases);
        return result;
    }

    private Tensor Multiply(Tensor x, WeightArguments all, ReadOnlySpan<CudaIntegerProduct> members, ReadOnlySpan<Tensor?> biases)
    {
        // Every linear of every decoded token comes here: an operator more costs as much as the kernel.
        if (!Input.HasTransform && !Input.IsShared && LowBitKernels.Takes(x.dtype) && x.is_contiguous() && RowLayout.Rows(x) == 1 && _weight.InWidth <= Int8RowKernels.MaxRowWidth)
        {
            var row = Rows(x, all.Width);
            Int8RowKernels.MultiplyRow(row, x, Input.Scale, _weight.InWidth, all);
            return row;
        }

        using var scope = NewDisposeScope();
        var rows = x.reshape(-1, _weight.InWidth);
        var input = (Input.HasTransform || !LowBitKernels.Takes(rows.dtype) ? Input.Transform(rows.to(ScalarType.Float32)) : rows).contiguous();
        var count = input.size(0);
        var isMany = count > Int8RowKernels.MaxRows && IntegerGemm.IsAvailable && members.ToArray().All(m => m._weight.OutWidth % IntegerGemm.WidthStep == 0);
        var room = isMany ? IntegerGemm.PaddedRows(count) : count;
        var (codes, scales) = Input.IsShared ? SharedCodes(input, room) : Int8RowKernels.QuantizeRows(input, Input.Scale, room);
        var y = empty([count, all.Width], input.dtype, Device);
        if (!isMany || !MultiplyMany(y, codes, scales, members, biases))
            MultiplyInSteps(y, codes, scales, all);
        return y.to(x.dtype).view([.. x.shape.AsSpan(0, (int)x.dim() - 1), all.Width]).MoveToOuterDisposeScope();
    }

    /// <summary>One product after the other: the integer sums of one mostly fit the device's cache.</summary>
    private bool MultiplyMany(Tensor y, Tensor codes, Tensor scales, ReadOnlySpan<CudaIntegerProduct> members, ReadOnlySpan<Tensor?> biases)
    {
        var first = 0;
        for (var i = 0; i < members.Length; i++)
        {
            using var sums = empty([codes.size(0), members[i]._weight.OutWidth], ScalarType.Int32, Device);
            if (!IntegerGemm.TryMultiply(sums, codes, members[i]._weight.Codes))
                return false;
            Int8RowKernels.ScaleSums(y, first, sums, scales, members[i]._scales, biases[i]);
            first += members[i]._weight.OutWidth;
        }

        return true;
    }

    /// <summary>A few rows at a time.</summary>
    private static void MultiplyInSteps(Tensor y, Tensor codes, Tensor scales, WeightArguments all)
    {
        for (var start = 0L; start < y.size(0); start += Int8RowKernels.MaxRows)
        {
            var count = Math.Min(Int8RowKernels.MaxRows, y.size(0) - start);
            using var place = y.narrow(0, start, count);
            using var some = codes.narrow(0, start, count);
            using var factors = scales.narrow(0, start, count);
            Int8RowKernels.MultiplyCodes(place, some, factors, all);
        }
    }

    /// <summary>Codes by scales that ranks agree on, since each has a part of a row.</summary>
    private (Tensor Codes, Tensor Scales) SharedCodes(Tensor x, long room)
    {
        var wide = x.to(ScalarType.Float32);
        var scales = Input.TokenScales(wide).clamp_min(InputStep.SmallestScale);
        var codes = wide.div(scales.unsqueeze(-1)).round().clamp(-128, 127).to(ScalarType.Int8);
        return (room == codes.size(0) ? codes : nn.functional.pad(codes, [0, 0, 0, room - codes.size(0)]), scales);
    }
}
