using Generated.Layers;
using Generated.Quant.Kernels;
using Generated.Quant.Kernels.Cuda;
using TorchSharp;
using static TorchSharp.torch;

namespace Generated.Quant.Layers;

/// <summary>
/// Products with low-bit weights on CUDA by own kernels: few rows (decoding) from the codes; many by a kernel that dequantizes within the product, or
/// where there is none (see <see cref="WgmmaKernels"/>) by the dequantized weight, a part at a time, and libtorch's product. Inputs in 8 bits are rounded
/// before, where <see cref="CudaIntegerProduct"/> does not take them.
/// </summary>
internal sealed class CudaProduct : CudaKernelProduct<CudaProduct>
{
    /// <summary>Most bytes of dequantized weights at a time.</summary>
    private const long PartBytes = 256L << 20;

    private readonly TiledWeight _weight;

    /// <param name="matrix">The packed weight; this copies and disposes of it.</param>
    /// <param name="input">What is done to the input first; the caller's.</param>
    /// <param name="device">Where to.</param>
    public CudaProduct(PackedMatrix matrix, InputStep input, Device device)
        : base(input, device)
    {
        using var noGrad = no_grad();
        using (matrix)
            _weight = TiledWeight.Of(matrix, device);
    }

    /// <summary>Whether there are kernels for a weight.</summary>
    public static bool CanRun(PackedMatrix matrix, Device device) => LowBitKernels.CanRun(matrix.InWidth, device);

    public override long Bytes => _weight.Bytes;

    protected override WeightArgument Argument => _weight.Argument;

    public override Tensor Dequantize()
    {
        using var scope = NewDisposeScope();
        var weight = empty([_weight.OutWidth, _weight.InWidth], ScalarType.Float32, Device);
        LowBitKernels.Dequantize(weight, 0, _weight, 0, _weight.OutWidth);
        return (_weight.Order is null ? weight : weight.index_select(1, _weight.Order.argsort())).MoveToOuterDisposeScope();
    }

    public override void Dispose() => _weight.Dispose();

    protected override bool GoesWith(CudaProduct other) => _weight.GoesWith(other._weight);

    protected override Tensor Multiply(Tensor x, ReadOnlySpan<CudaProduct> members, ReadOnlySpan<Tensor?> biases)
    {
        // Every linear of every decoded token comes here: an operator more costs as much as the kernel.
        if (!Input.HasTransform && Input.Activations is null && _weight.Order is null && LowBitKernels.Takes(x.dtype) && x.is_contiguous()
            && RowLayout.Rows(x) is var few && few <= LowBitKernels.MaxRows)
            return MultiplyFew(x, few, members, biases);

        using var scope = NewDisposeScope();
        var rows = x.reshape(-1, _weight.InWidth);
        var input = Input.HasTransform || !LowBitKernels.Takes(rows.dtype) ? Input.Transform(rows.to(ScalarType.Float32)) : rows;
        if (Input.Activations is not null)
            input = Input.Round(input.to(ScalarType.Float32));
        if (_weight.Order is not null)
            input = input.index_select(-1, _weight.Order);
        input = input.contiguous();
        var count = (int)input.size(0);
        var y = count <= LowBitKernels.MaxRows ? MultiplyFew(input, count, members, biases)
            : WgmmaKernels.CanMultiply(input) ? MultiplyInside(input, members, biases)
            : MultiplyMany(input, members, biases);
        return y.to(x.dtype).view([.. x.shape.AsSpan(0, (int)x.dim() - 1), y.size(-1)]).MoveToOuterDisposeScope();
    }

    private Tensor MultiplyFew(Tensor x, int rows, ReadOnlySpan<CudaProduct> members, ReadOnlySpan<Tensor?> biases)
    {
        var all = Arguments(members, biases);
        var y = Rows(x, all.Width);
        LowBitKernels.MultiplyFew(y, x, rows, _weight, all);
        Keep(members, biases);
        return y;
    }

    /// <summary>By the kernel that dequantizes within the product.</summary>
    private Tensor MultiplyInside(Tensor x, ReadOnlySpan<CudaProduct> members, ReadOnlySpan<Tensor?> biases)
    {
        var all = Arguments(members, biases);
        var y = Rows(x, all.Width);
        WgmmaKernels.Multiply(y, x, _weight, all);
        Keep(members, biases);
        return y;
    }

    /// <summary>By libtorch's product with the weights side by side, where that is of a reasonable size, else part by part.</summary>
    private Tensor MultiplyMany(Tensor x, ReadOnlySpan<CudaProduct> members, ReadOnlySpan<Tensor?> biases)
    {
        var width = 0;
        foreach (var member in members)
            width += member._weight.OutWidth;
        var step = (int)Math.Max(1, PartBytes / ((long)_weight.InWidth * x.ElementSize) / TileLayout.Rows * TileLayout.Rows);
        var y = width <= step ? MultiplyWhole(x, members, width) : MultiplyParts(x, members, width, step);
        var first = 0L;
        for (var i = 0; i < members.Length; first += members[i++]._weight.OutWidth)
        {
            if (biases[i] is not { } bias)
                continue;
            using var outputs = y.narrow(1, first, members[i]._weight.OutWidth);
            outputs.add_(bias);
        }

        return y;
    }

    private Tensor MultiplyWhole(Tensor x, ReadOnlySpan<CudaProduct> members, int width)
    {
        using var all = empty([width, _weight.InWidth], x.dtype, Device);
        var first = 0;
        foreach (var member in members)
        {
            LowBitKernels.Dequantize(all, first, member._weight, 0, member._weight.OutWidth);
            first += member._weight.OutWidth;
        }

        return nn.functional.linear(x, all);
    }

    private Tensor MultiplyParts(Tensor x, ReadOnlySpan<CudaProduct> members, int width, int step)
    {
        var y = empty([x.size(0), width], x.dtype, Device);
        using var part = empty([step, _weight.InWidth], x.dtype, Device);
        var first = 0L;
        foreach (var member in members)
        {
            for (var start = 0; start < member._weight.OutWidth; start += step)
            {
                var count = Math.Min(step, member._weight.OutWidth - start);
                LowBitKernels.Dequantize(part, 0, member._weight, start, count);
                using var some = part.narrow(0, 0, count);
                using var columns = some.t();
                using var place = y.narrow(1, first + start, count);
                place.addmm_(x, columns, beta: 0, alpha: 1);
            }

            first += member._weight.OutWidth;
        }

        return y;
    }
}
