using Generated.Quant.Observers;
using Generated.Quant.Recipes;
using TorchSharp;
using static TorchSharp.torch;

namespace Generated.Quant.Methods;

/// <summary>
/// The joint output error of a site's linears for scales of their input: Σ ‖X·Wᵀ − Q(X/s)·Q(W·s)ᵀ‖², both sides quantized in the
/// recipe's formats; of each linear absolute (AWQ's), or relative to ‖X·Wᵀ‖², so that one of large outputs does not decide alone.
/// </summary>
internal sealed class OutputError : IDisposable
{
    private readonly SiteProblem _problem;
    private readonly Rounding _rounding;
    private readonly List<(Tensor Output, double Energy)> _references = [];
    private readonly float[] _absMax;

    public OutputError(SiteProblem problem, Rounding rounding, bool isRelative)
    {
        (_problem, _rounding) = (problem.Checked(), rounding);
        _absMax = problem.Statistics.AbsMax;
        using var noGrad = no_grad();
        foreach (var weight in problem.Weights)
        {
            using var scope = NewDisposeScope();
            var output = problem.Inputs.matmul(weight.t());
            var energy = output.Squared().sum(ScalarType.Float64).item<double>();
            _references.Add((output.DetachFromDisposeScope(), isRelative && energy > 0 ? energy : 1));
        }
    }

    /// <summary>The error for scales of the input's channels.</summary>
    public double Of(IReadOnlyList<float> scales)
    {
        using var noGrad = no_grad();
        using var scope = NewDisposeScope();
        var scale = tensor(scales.ToArray(), device: _problem.Inputs.device);
        var inputs = Inputs(_problem.Inputs / scale, scales);
        double sum = 0;
        for (var i = 0; i < _references.Count; i++)
        {
            using var inner = NewDisposeScope();
            var scaled = _problem.Weights[i] * scale;
            var weight = _problem.Format is { } format ? FakeQuantize.Weight(scaled, format, _rounding) : scaled;
            var difference = inputs.matmul(weight.t()).sub_(_references[i].Output);
            sum += difference.Squared().sum(ScalarType.Float64).item<double>() / _references[i].Energy;
        }

        return double.IsNaN(sum) ? double.PositiveInfinity : sum; // scales so extreme that a product overflows lose
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var (output, _) in _references)
            output.Dispose();
        _references.Clear();
    }

    private Tensor Inputs(Tensor divided, IReadOnlyList<float> scales)
    {
        switch (_problem.Activations)
        {
            case null:
                return divided;
            case { Per: ActivationGranularity.Token }:
                return FakeQuantize.PerToken(divided, _rounding);
            case { Observer: ActivationObserver.AbsMax }:
                var threshold = _absMax.Select((value, c) => value / scales[c]).Max();
                return FakeQuantize.Static(divided, FakeQuantize.Int8Scale(threshold), _rounding);
            default:
                using (var observer = ThresholdObservers.Create(_problem.Activations.Observer))
                {
                    observer.Add(divided);
                    return FakeQuantize.Static(divided, FakeQuantize.Int8Scale(observer.Threshold()), _rounding);
                }
        }
    }
}
