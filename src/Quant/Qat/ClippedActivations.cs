using TorchSharp;
using static TorchSharp.torch;

namespace Generated.Quant.Qat;

/// <summary>Learns a clipping threshold (PACT, Choi et al., 2018), which begins at the first batch's largest magnitude.</summary>
internal abstract class ClippedActivations(Device device) : ActivationQuantizer
{
    private readonly Tensor _threshold = ones(1, device: device, requires_grad: true).DetachFromDisposeScope();
    private bool _isStarted;

    /// <inheritdoc/>
    public override IEnumerable<KeyValuePair<string, Tensor>> Learned => [new("activation_threshold", _threshold)];

    /// <inheritdoc/>
    public override double[] Seen
    {
        get => [_isStarted ? 1 : 0];
        set => _isStarted = value[0] != 0;
    }

    /// <summary>The threshold as it is.</summary>
    /// <exception cref="InvalidOperationException">Nothing was seen yet.</exception>
    protected float LastThreshold => _isStarted ? Math.Abs(_threshold.item<float>()) : throw Unseen();

    /// <summary>The threshold for an input, with its gradient; a step of the optimizer may carry it across zero, and its sign means nothing.</summary>
    protected Tensor Threshold(Tensor x)
    {
        if (!_isStarted)
        {
            var (min, max) = Range(x);
            using var noGrad = no_grad();
            _threshold.fill_(Math.Max(Math.Max(max, -min), 1e-6));
            _isStarted = true;
        }

        return _threshold.abs();
    }

    /// <inheritdoc/>
    public override void Dispose() => _threshold.Dispose();
}
