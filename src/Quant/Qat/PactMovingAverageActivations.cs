using Generated.Quant.Methods;
using Generated.Quant.Recipes;
using TorchSharp;
using static TorchSharp.torch;

namespace Generated.Quant.Qat;

/// <summary>
/// A learned clipping threshold α (PACT, Choi et al., 2018) before a static scale from the moving average of what it leaves, as PaddleNLP's
/// <c>do_qat</c> trains: c = clip(x, −α, α), y = c rounded at the scale of <see cref="MovingAverageActivations"/> over c, with ∂y/∂c = 1
/// everywhere, so that what the average cuts off still moves α. α begins at the first batch's largest magnitude (20 there, whatever the range).
/// </summary>
internal sealed class PactMovingAverageActivations(Rounding rounding, Device device) : ActivationQuantizer
{
    private readonly MovingAverageActivations _average = new(rounding);
    private readonly Tensor _threshold = ones(1, device: device, requires_grad: true).DetachFromDisposeScope();
    private bool _isStarted;

    /// <inheritdoc/>
    public override IEnumerable<KeyValuePair<string, Tensor>> Learned => [new("activation_threshold", _threshold)];

    /// <inheritdoc/>
    public override float? Scale => _average.Scale;

    /// <inheritdoc/>
    public override Tensor Apply(Tensor x)
    {
        if (!_isStarted)
        {
            var (min, max) = Range(x);
            using var noGrad = no_grad();
            _threshold.fill_(Math.Max(Math.Max(max, -min), 1e-6));
            _isStarted = true;
        }

        var threshold = _threshold.abs();
        var clipped = minimum(maximum(x, -threshold), threshold);
        return StraightThrough.Value(clipped, _average.Apply(clipped.detach()));
    }

    /// <inheritdoc/>
    public override void Dispose()
    {
        _average.Dispose();
        _threshold.Dispose();
    }
}
