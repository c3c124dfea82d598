using Generated.Quant.Methods;
using Generated.Quant.Recipes;
using TorchSharp;
using static TorchSharp.torch;

namespace Generated.Quant.Qat;

/// <summary>
/// A learned clipping threshold α (PACT, Choi et al., 2018), for signed values: y = clip(x, −α·128/127, α), rounded to the codes −128 to
/// 127 of the kernels. ∂y/∂α is 1 where x is above, −128/127 where it is below, 0 between.
/// </summary>
internal sealed class PactActivations(Rounding rounding, Device device) : ClippedActivations(device)
{
    /// <inheritdoc/>
    public override float? Scale => FakeQuantize.Int8Scale(LastThreshold);

    /// <inheritdoc/>
    public override Tensor Apply(Tensor x)
    {
        var threshold = Threshold(x);
        const double Below = (FakeQuantize.Limit + 1.0) / FakeQuantize.Limit;
        var clipped = minimum(maximum(x, threshold * -Below), threshold);
        var scale = threshold.detach() / FakeQuantize.Limit;
        return StraightThrough.Value(clipped, Rounder.Round(clipped / scale, rounding) * scale);
    }
}

/// <summary>
/// A learned scale and offset (LSQ+, Bhalgat et al., 2020): x̂ = round(clip((x − β) / s, −128, 127)) · s + β. Both begin with the range
/// of the first batch, and their gradients are divided by √(values · 127).
/// </summary>
internal sealed class LsqPlusActivations : ActivationQuantizer
{
    private const int Lowest = -128;
    private const float Smallest = 1e-8f;
    private readonly Rounding _rounding;
    private readonly Tensor _scale;
    private readonly Tensor _offset;
    private bool _isStarted;

    public LsqPlusActivations(Rounding rounding, Device device)
    {
        _rounding = rounding;
        _scale = ones(1, device: device, requires_grad: true).DetachFromDisposeScope();
        _offset = zeros(1, device: device, requires_grad: true).DetachFromDisposeScope();
    }

    /// <inheritdoc/>
    public override IEnumerable<KeyValuePair<string, Tensor>> Learned => [new("activation_scale", _scale), new("activation_offset", _offset)];

    /// <inheritdoc/>
    public override double[] Seen
    {
        get => [_isStarted ? 1 : 0];
        set => _isStarted = value[0] != 0;
    }

    /// <inheritdoc/>
    public override float? Scale => _isStarted ? Math.Max(Math.Abs(_scale.item<float>()), Smallest) : throw Unseen();

    /// <inheritdoc/>
    public override float Offset => _isStarted ? _offset.item<float>() : throw Unseen();

    /// <inheritdoc/>
    public override Tensor Apply(Tensor x)
    {
        if (!_isStarted)
            Start(x);
        var share = 1 / Math.Sqrt((double)x.numel() * FakeQuantize.Limit);
        var scale = StraightThrough.ScaledGradient(_scale.abs().clamp_min(Smallest), share);
        var offset = StraightThrough.ScaledGradient(_offset, share);
        var places = ((x - offset) / scale).clamp(Lowest, FakeQuantize.Limit);
        return StraightThrough.Value(places, Rounder.Round(places, _rounding)) * scale + offset;
    }

    /// <inheritdoc/>
    public override void Dispose()
    {
        _scale.Dispose();
        _offset.Dispose();
    }

    private void Start(Tensor x)
    {
        var (min, max) = Range(x);
        using var noGrad = no_grad();
        var scale = max > min ? (max - min) / (FakeQuantize.Limit - Lowest) : Math.Max(Math.Abs(max) / FakeQuantize.Limit, Smallest);
        _scale.fill_(scale);
        _offset.fill_(max > min ? min - Lowest * scale : 0);
        _isStarted = true;
    }
}
