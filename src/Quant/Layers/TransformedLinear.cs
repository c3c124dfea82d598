using Generated.Architectures;
using Generated.Layers;
using TorchSharp;
using static TorchSharp.torch;

namespace Generated.Quant.Layers;

/// <summary>A linear that stays dense behind an inserted operation, x' = (x − shift) / divisor.</summary>
public sealed class TransformedLinear : Linear
{
    private readonly Linear _inner;
    private readonly InputStep _input;

    private TransformedLinear(Linear inner, InputTransform transform)
        : base(inner)
    {
        (_inner, Transform) = (inner, transform);
        _input = new InputStep(transform, null, null, inner.Device, null);
    }

    /// <summary>The operation on this rank's channels.</summary>
    public InputTransform Transform { get; }

    /// <summary>The linear behind the operation.</summary>
    public Linear Inner => _inner;

    /// <inheritdoc/>
    public override Parameter? Bias => _inner.Bias;

    /// <summary>Puts an operation in front of a linear.</summary>
    /// <param name="inner">The linear, whose weight takes the operation into account already; the result disposes of it.</param>
    /// <param name="whole">The operation on the whole layer's channels; this rank's are cut out.</param>
    /// <exception cref="InvalidInputException">Sizes do not fit, or a divisor is 0.</exception>
    public static TransformedLinear Create(Linear inner, InputTransform whole)
    {
        ArgumentNullException.ThrowIfNull(inner);
        ArgumentNullException.ThrowIfNull(whole);
        if ((whole.Shift?.Length ?? inner.InWidth) != inner.InWidth || (whole.Divisor?.Length ?? inner.InWidth) != inner.InWidth)
            throw new InvalidInputException($"An input transform of {whole.Shift?.Length ?? whole.Divisor!.Length} channels does not fit a linear of {inner.InWidth} inputs.");
        return new TransformedLinear(inner, LinearPart.Cut(whole, inner)!);
    }

    /// <summary>The same from this rank's part of the operation.</summary>
    internal static TransformedLinear OfPart(Linear inner, InputTransform part) => new(inner, part);

    /// <inheritdoc/>
    public override Flow Eager(Flow x) => _inner.Eager(x.With(_input.Transform(x.Value.to(ScalarType.Float32)).to(x.Value.dtype)));

    /// <inheritdoc/>
    public override WeightShare? Share(TensorKind kind) => _inner.Share(kind);

    /// <inheritdoc/>
    public override void Dispose()
    {
        _inner.Dispose();
        _input.Dispose();
        base.Dispose();
    }

    /// <inheritdoc/>
    protected override Tensor Multiply(Tensor x, bool withBias)
    {
        using var input = Transformed(x);
        return _inner.Product(input, withBias);
    }

    /// <inheritdoc/>
    protected override Tensor MultiplyFew(Tensor x, bool withBias)
    {
        using var input = Transformed(x);
        return _inner.ProductOfFew(input, withBias);
    }

    private Tensor Transformed(Tensor x)
    {
        if (CpuSteps.CanRun(x))
        {
            var rows = CpuSteps.WideCopy(x);
            _input.Apply(rows, round: false);
            if (x.dtype == ScalarType.Float32)
                return rows;
            using (rows)
                return rows.to(x.dtype);
        }

        using var scope = NewDisposeScope();
        return _input.Transform(x.to(ScalarType.Float32)).to(x.dtype).MoveToOuterDisposeScope();
    }
}
