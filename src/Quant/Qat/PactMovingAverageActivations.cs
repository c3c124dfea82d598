using Generated.Quant.Recipes;
using TorchSharp;
using static TorchSharp.torch;

namespace Generated.Quant.Qat;

/// <summary>
/// A learned clipping threshold α (PACT, Choi et al., 2018) before a static scale from the moving average of what it leaves, as PaddleNLP's
/// <c>do_qat</c> trains: c = clip(x, −α, α), y = c rounded at the scale of <see cref="MovingAverageActivations"/> over c, with ∂y/∂c = 1
/// everywhere, so that what the average cuts off still moves α. α begins at the first batch's largest magnitude (20 there, whatever the range).
/// </summary>
internal sealed class PactMovingAverageActivations(Rounding rounding, Device device) : ClippedActivations(device)
{
    private readonly MovingAverageActivations _average = new(rounding);

    /// <inheritdoc/>
    public override double[] Seen
    {
        get => [.. base.Seen, .. _average.Seen];
        set => (base.Seen, _average.Seen) = (value[..1], value[1..]);
    }

    /// <inheritdoc/>
    public override float? Scale => _average.Scale;

    /// <inheritdoc/>
    public override Tensor Apply(Tensor x)
    {
        var threshold = Threshold(x);
        var clipped = minimum(maximum(x, -threshold), threshold);
        return StraightThrough.Value(clipped, _average.Apply(clipped.detach()));
    }

    /// <inheritdoc/>
    public override void Dispose()
    {
        _average.Dispose();
        base.Dispose();
    }
}
