using Generated.Architectures;
using Generated.Cuda;
using TorchSharp;
using static TorchSharp.torch;

namespace Generated.Layers;

/// <summary>RMSNorm: x / sqrt(mean(x²) + ε) · weight, with statistics in float32 (Zhang and Sennrich, 2019).</summary>
public sealed class RmsNorm : INorm
{
    private static readonly Scalar One = 1;
    private readonly BuildContext _build;
    private readonly Scalar _epsilon;

    /// <param name="build">The model being built.</param>
    /// <param name="width">Features that are normalised.</param>
    /// <param name="epsilon">ε.</param>
    /// <exception cref="InvalidInputException">ε is negative or no number.</exception>
    public RmsNorm(BuildContext build, int width, double epsilon = 1e-6)
    {
        ArgumentNullException.ThrowIfNull(build);
        _build = build;
        _epsilon = NormEpsilon.Checked(epsilon);
        Epsilon = epsilon;
        Weight = new Parameter(build, width);
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
        Bias = new Parameter(_build, Weight.Shape[0]);
        using var _ = no_grad();
        Bias.Value.zero_().Dispose(); // what it returns is another handle
    }

    /// <inheritdoc/>
    public Tensor Apply(Tensor x)
    {
        if (Bias is null && RowLayout.NeedsNoGradient(Weight.Value))
        {
            if (CpuSteps.CanRun(x))
                return CpuSteps.RmsNorm(x, Weight.Value, Epsilon);
            if (CudaSteps.CanNormalise(x))
                return CudaKernels.RmsNorm(x, Weight.Value, Epsilon);
        }

        using var wide = x.dtype == ScalarType.Float32 ? x.alias() : x.to(ScalarType.Float32);
        using var squares = wide.Squared();
        using var mean = squares.mean([-1], keepdim: true);
        using var shifted = mean.add(_epsilon);
        using var scale = shifted.rsqrt();
        using var normalised = wide.mul(scale);
        using var narrow = x.dtype == ScalarType.Float32 ? normalised.alias() : normalised.to(x.dtype);
        if (!_build.IsSequenceParallel)
            return Bias is null ? narrow.mul(Weight.Value) : addcmul(Bias.Value, narrow, Weight.Value, One);
        using var weight = SequenceShards.Weight(Weight, _build.Group);
        using var bias = Bias is null ? null : SequenceShards.Weight(Bias, _build.Group);
        return bias is null ? narrow.mul(weight) : addcmul(bias, narrow, weight, One);
    }

    /// <inheritdoc/>
    public Tensor Decode(Tensor x) => Apply(x);

    /// <inheritdoc/>
    public (Tensor Sum, Tensor Normalised) AddDecode(Tensor x, Tensor delta)
    {
        if (Bias is null && RowLayout.NeedsNoGradient(Weight.Value))
        {
            if (CpuSteps.CanRun(x) && CpuSteps.CanRun(delta))
                return CpuSteps.AddRmsNorm(x, delta, Weight.Value, Epsilon);
            if (CudaSteps.CanNormalise(x) && delta.is_contiguous())
                return CudaKernels.AddRmsNorm(delta, x, Weight.Value, Epsilon);
        }

        var sum = x.add(delta);
        return (sum, Apply(sum));
    }

    /// <inheritdoc/>
    public Flow Eager(Flow x)
    {
        var wide = x.Value.to(ScalarType.Float32);
        var normalised = wide / (wide.Squared().mean([-1], keepdim: true) + Epsilon).sqrt();
        var scaled = normalised.to(x.Value.dtype) * Weight.Value;
        return x.With(Bias is null ? scaled : scaled + Bias.Value);
    }

    /// <inheritdoc/>
    public WeightShare? Share(TensorKind kind) => kind == TensorKind.Weight ? new WeightShare(Weight) : Bias is { } bias ? new WeightShare(bias) : null;
}
