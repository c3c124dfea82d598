using Generated.Architectures;
using Generated.Layers;
using Generated.Quant.Layers;
using Generated.Quant.Recipes;
using TorchSharp;
using static TorchSharp.torch;

namespace Generated.Quant.Qat;

/// <summary>
/// A dense linear in quantization-aware training: its weight and input are rounded as they will be, in floating point, and gradients
/// pass. It takes the dense layer's place in the generated training pass and keeps it; the weights stay those of the dense layer.
/// </summary>
internal sealed class FakeQuantLinear : Linear
{
    private readonly WeightQuantizer _weight;
    private readonly ActivationQuantizer? _input;
    private readonly ActivationFormat? _activations;

    /// <param name="inner">The dense linear; it stays inside.</param>
    /// <param name="options">How weights and inputs are fake-quantized.</param>
    /// <param name="weights">The weight's format.</param>
    /// <param name="activations">The input's format, or null.</param>
    /// <param name="rounding">How values between two codes are rounded.</param>
    /// <exception cref="InvalidInputException">The linear is divided over ranks, shares an embedding's matrix or divides its rows by their length, or the format cannot be learned.</exception>
    public FakeQuantLinear(DenseLinear inner, QatOptions options, WeightFormat weights, ActivationFormat? activations, Rounding rounding)
        : base(inner)
    {
        if (inner.Group.Size > 1)
            throw new InvalidInputException("Quantization-aware training runs on one rank; start it without --tp.");
        if (inner.TiedTo is not null)
            throw new InvalidInputException("A head that shares the embedding's matrix cannot be trained in integers; keep it.");
        if (inner.HasUnitRows)
            throw new InvalidInputException("A head that divides its rows by their length cannot be trained in integers; keep it.");
        (Inner, _activations) = (inner, activations);
        _weight = WeightQuantizer.Create(options.Weights, inner.Weight.Value, weights, rounding);
        _input = activations is null ? null : ActivationQuantizer.Create(options.Activations, activations, rounding, inner.Weight.Value.device);
    }

    /// <summary>The dense linear.</summary>
    public DenseLinear Inner { get; }

    /// <summary>What is learned beside weight and bias, by name.</summary>
    public IEnumerable<KeyValuePair<string, Tensor>> Learned => [.. _weight.Learned, .. _input?.Learned ?? []];

    /// <summary>What the input's observers have seen, as numbers, always as many; setting them goes on from there.</summary>
    public double[] Seen
    {
        get => _input?.Seen ?? [];
        set => _input?.Seen = value;
    }

    /// <inheritdoc/>
    public override Parameter? Bias => Inner.Bias;

    /// <inheritdoc/>
    public override Flow Eager(Flow x) => x.With(Multiply(x.Value, withBias: true));

    /// <inheritdoc/>
    public override WeightShare? Share(TensorKind kind) => Inner.Share(kind);

    /// <summary>The trained linear in real integers. Its function is that of this layer without gradients.</summary>
    public LinearState ToState()
    {
        using var noGrad = no_grad();
        using var scope = NewDisposeScope();
        var weight = _weight.ToIntegers(Inner.Weight.Value);
        var bias = Inner.Bias?.Value.detach().to_type(ScalarType.Float32).cpu().data<float>().ToArray();
        var offset = _input?.Offset ?? 0;
        if (offset != 0)
        {
            // ŵ·(x̂ − β) + ŵ·β: what is taken off the input comes back through the bias.
            var values = tensor(weight.Dequantize(), ScalarType.Float64).reshape(weight.OutWidth, weight.InWidth);
            var moved = values.sum(1).mul(offset).data<double>().ToArray();
            bias = [.. moved.Select((value, o) => (float)(value + (bias?[o] ?? 0)))];
        }

        return new LinearState
        {
            Weight = weight,
            Bias = bias,
            Input = offset == 0 ? null : new InputTransform([.. Enumerable.Repeat(offset, weight.InWidth)], null),
            Activations = _activations,
            InputScale = _input?.Scale,
        };
    }

    /// <inheritdoc/>
    public override void Dispose()
    {
        DisposeQuantizers();
        Inner.Dispose();
        base.Dispose();
    }

    /// <summary>Frees what was added to the dense layer, which stays.</summary>
    public void DisposeQuantizers()
    {
        _weight.Dispose();
        _input?.Dispose();
    }

    /// <inheritdoc/>
    protected override Tensor Multiply(Tensor x, bool withBias)
    {
        using var scope = NewDisposeScope();
        var input = x.to_type(ScalarType.Float32);
        input = _input is null ? input : _input.Apply(input);
        var weight = _weight.Apply(Inner.Weight.Value);
        var bias = withBias ? Inner.Bias?.Value.to_type(ScalarType.Float32) : null;
        return nn.functional.linear(input, weight, bias).to_type(x.dtype).MoveToOuterDisposeScope();
    }
}
