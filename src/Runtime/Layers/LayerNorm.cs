using Generated.Architectures;
using TorchSharp;
using static TorchSharp.torch;

namespace Generated.Layers;

/// <summary>LayerNorm with weight and bias (Ba et al., 2016); libtorch computes its statistics in float32.</summary>
public sealed class LayerNorm : INorm
{
    private readonly BuildContext _build;
    private readonly long[] _shape;

    /// <param name="build">The model being built.</param>
    /// <param name="width">Features that are normalised.</param>
    /// <param name="epsilon">ε.</param>
    /// <param name="bias">Whether there is a bias.</param>
    /// <exception cref="InvalidInputException">ε is negative or no number.</exception>
    public LayerNorm(BuildContext build, int width, double epsilon = 1e-5, bool bias = true)
    {
        ArgumentNullException.ThrowIfNull(build);
        _build = build;
        _shape = [width];
        Epsilon = NormEpsilon.Checked(epsilon);
        Weight = new Parameter(build, width);
        if (bias)
            Bias = new Parameter(build, width);
    }

    /// <summary>ε.</summary>
    public double Epsilon { get; }

    /// <inheritdoc/>
    public Parameter Weight { get; }

    /// <inheritdoc/>
    public Parameter? Bias { get; private set; }

    /// <inheritdoc/>
    public void EnsureBias()
    {
        if (Bias is not null)
            return;
        Bias = new Parameter(_build, _shape);
        using var _ = no_grad();
        Bias.Value.zero_().Dispose(); // what it returns is another handle
    }

    /// <inheritdoc/>
    public Tensor Apply(Tensor x)
    {
        if (!_build.IsSequenceParallel)
            return nn.functional.layer_norm(x, _shape, Weight.Value, Bias?.Value, Epsilon);
        using var weight = SequenceShards.Weight(Weight, _build.Group);
        using var bias = Bias is null ? null : SequenceShards.Weight(Bias, _build.Group);
        return nn.functional.layer_norm(x, _shape, weight, bias, Epsilon);
    }

    /// <inheritdoc/>
    public Tensor Decode(Tensor x) => Apply(x);

    /// <inheritdoc/>
    public (Tensor Sum, Tensor Normalised) AddDecode(Tensor x, Tensor delta)
    {
        var sum = x.add(delta);
        return (sum, Apply(sum));
    }

    /// <inheritdoc/>
    public Flow Eager(Flow x)
    {
        var wide = x.Value.to(ScalarType.Float32);
        var centred = wide - wide.mean([-1], keepdim: true);
        var normalised = centred / (centred.Squared().mean([-1], keepdim: true) + Epsilon).sqrt();
        var scaled = normalised.to(x.Value.dtype) * Weight.Value;
        return x.With(Bias is null ? scaled : scaled + Bias.Value);
    }

    /// <inheritdoc/>
    public WeightShare? Share(TensorKind kind) => kind == TensorKind.Weight ? new WeightShare(Weight) : Bias is { } bias ? new WeightShare(bias) : null;
}
