using Generated.Architectures;
using Generated.Layers;
using Generated.Parallel;
using TorchSharp;
using static TorchSharp.torch;

namespace Generated.Quant.Layers;

/// <summary>
/// A linear whose weight stays in packed integers: weight-only, or with its input rounded to 8 bits as well (W8A8). It takes the place of
/// a dense one in the generated passes, on one rank or several, in models of float32, bfloat16 or float16.
/// </summary>
/// <remarks>
/// Few rows (decoding) go through packed kernels, many through dequantized tiles or exact integer products; <see cref="Eager"/> is the same by
/// plain operators. Gradients reach the input (for adapters on a quantized base), never the weight. Where the dense layer divides its rows by
/// their norms (NormHead), the quantized weight is that of the divided rows.
/// </remarks>
public sealed class QuantizedLinear : Linear, IJointLinear
{
    private readonly InputStep _input;
    private readonly WeightProduct _product;
    private readonly Parameter? _bias;

    internal QuantizedLinear(Linear replaced, LinearPart part)
        : base(replaced)
    {
        if (part.Matrix.OutWidth != LocalOutWidth || part.Matrix.InWidth != LocalInWidth)
            throw new InvalidInputException($"its weight is {part.Matrix.OutWidth} × {part.Matrix.InWidth}, but this rank has {LocalOutWidth} × {LocalInWidth} there");
        Bits = part.Matrix.Bits;
        GroupSize = part.Matrix.Groups == 1 ? 0 : part.Matrix.GroupSize;
        _input = new InputStep(part.Input, part.Activations, part.InputScale, Device, Shard.Kind == ShardKind.Row && Group.Size > 1 ? Group : null);
        _product = Device.type != DeviceType.CUDA ? new CpuProduct(part.Matrix, _input)
            : CudaIntegerProduct.CanRun(part.Matrix, _input, Device) ? new CudaIntegerProduct(part.Matrix, _input, Device)
            : CudaProduct.CanRun(part.Matrix, Device) ? new CudaProduct(part.Matrix, _input, Device)
            : new TensorProduct(part.Matrix, _input, Device);
        _bias = part.Bias is null ? null : new Parameter(tensor(part.Bias, device: Device));
    }

    /// <summary>Bits of a weight's code.</summary>
    public int Bits { get; }

    /// <summary>Columns that share a scale; 0 where each output has one.</summary>
    public int GroupSize { get; }

    /// <summary>Whether the input is rounded to 8 bits as well.</summary>
    public bool HasIntegerInput => _input.Activations is not null;

    /// <summary>Memory of this rank's part, in bytes.</summary>
    public long Bytes => _product.Bytes + _input.Bytes + (_bias is null ? 0 : _bias.Value.numel() * sizeof(float));

    /// <summary>The bias of this rank's outputs in float32, or null.</summary>
    public override Parameter? Bias => _bias;

    /// <summary>Creates the quantized form of a linear.</summary>
    /// <param name="replaced">The linear whose place it takes: its widths, division and device are taken over. It is neither kept nor disposed of.</param>
    /// <param name="whole">What is stored of the whole layer; this rank's part is cut out.</param>
    /// <exception cref="InvalidInputException">Sizes do not fit, or a group of columns with one scale would be divided over ranks.</exception>
    public static QuantizedLinear Create(Linear replaced, LinearState whole)
    {
        ArgumentNullException.ThrowIfNull(replaced);
        ArgumentNullException.ThrowIfNull(whole);
        try
        {
            return new QuantizedLinear(replaced, LinearPart.Of(replaced, whole));
        }
        catch (InvalidInputException e)
        {
            throw new InvalidInputException($"A linear of {replaced.InWidth} to {replaced.OutWidth} cannot be replaced by its quantized form: {e.Message}.", e);
        }
    }

    /// <summary>The weight of this rank in float32, [out, in]; the caller's.</summary>
    public Tensor Dequantize() => _product.Dequantize();

    /// <inheritdoc/>
    public override Flow Eager(Flow x)
    {
        var wide = x.Value.to(ScalarType.Float32);
        var product = _input.Round(_input.Transform(wide)).matmul(_product.Dequantize().t());
        if (Shard.Kind == ShardKind.Row && Group.Size > 1)
            product = CollectiveOps.ReduceFromTensorParallel(product, Group);
        if (_bias is not null)
            product = product + _bias.Value;
        product = product.to(x.Value.dtype);
        if (Shard.Kind == ShardKind.Vocabulary && Group.Size > 1 && x.Context.GatherLogits)
            product = VocabParallel.GatherLogits(product, VocabRange.Of(OutWidth, Group), Group);
        return x.With(product);
    }

    /// <summary>The weight is not kept as a parameter; the bias is stored with it.</summary>
    public override WeightShare? Share(TensorKind kind) => null;

    /// <inheritdoc/>
    public override void Dispose()
    {
        _product.Dispose();
        _input.Dispose();
        _bias?.Dispose();
        base.Dispose();
    }

    IJointProduct? IJointLinear.Join(IReadOnlyList<Linear> members) => members.All(m => m is QuantizedLinear)
        ? _product.Join([.. members.Select(m => ((QuantizedLinear)m)._product)], [.. members.Select(m => m.Bias?.Value)])
        : null;

    /// <inheritdoc/>
    protected override Tensor Multiply(Tensor x, bool withBias)
    {
        var bias = withBias ? _bias?.Value : null;
        return is_grad_enabled() && x.requires_grad ? MultiplyWithGradient(x, bias) : _product.Multiply(x, bias);
    }

    private Tensor MultiplyWithGradient(Tensor x, Tensor? bias)
    {
        using var scope = NewDisposeScope();
        var input = _input.Round(_input.Transform(x.to(ScalarType.Float32)));
        return nn.functional.linear(input, _product.Dequantize(), bias).to(x.dtype).MoveToOuterDisposeScope();
    }
}
