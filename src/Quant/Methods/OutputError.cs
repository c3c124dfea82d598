using Generated.Layers;
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
    /// <summary>Outputs of a linear that are kept, and not computed anew for every error: a head's on all tokens may be larger than the model.</summary>
    private const long MostOutputs = 1 << 25;

    private readonly SiteProblem _problem;
    private readonly Rounding _rounding;
    private readonly List<Reference> _references = [];
    private readonly float[] _absMax;

    public OutputError(SiteProblem problem, Rounding rounding, bool isRelative)
    {
        (_problem, _rounding) = (problem.Checked(), rounding);
        _absMax = problem.Statistics.AbsMax;
        using var noGrad = no_grad();
        foreach (var weight in problem.Weights)
        {
            var (first, energy) = (_references.Count, 0.0);
            var isKept = problem.Inputs.shape[0] * weight.OutWidth <= MostOutputs;
            // Of one scale for all, all have to be there.
            foreach (var (start, count) in weight.Ranges(problem.Format is { Per: Granularity.Tensor } ? long.MaxValue : WeightRows.AtOnce))
            {
                using var scope = NewDisposeScope();
                var output = problem.Inputs.matmul(weight.Rows(start, count).t());
                energy += output.Squared().sum(ScalarType.Float64).item<double>();
                _references.Add(new Reference(weight, start, count, isKept ? output.DetachFromDisposeScope() : null));
            }

            foreach (var part in _references.Skip(first))
                part.Energy = isRelative && energy > 0 ? energy : 1;
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
        foreach (var part in _references)
        {
            using var inner = NewDisposeScope();
            var exact = part.Weight.Rows(part.Start, part.Count);
            var scaled = exact * scale;
            var weight = _problem.Format is { } format ? FakeQuantize.Weight(scaled, format, _rounding) : scaled;
            var difference = inputs.matmul(weight.t()).sub_(part.Output ?? _problem.Inputs.matmul(exact.t()));
            sum += difference.Squared().sum(ScalarType.Float64).item<double>() / part.Energy;
        }

        return double.IsNaN(sum) ? double.PositiveInfinity : sum; // scales so extreme that a product overflows lose
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var part in _references)
            part.Output?.Dispose();
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

    /// <summary>What some rows of a weight give of the inputs, null where that is not kept, and what their error is relative to.</summary>
    private sealed record Reference(IWeightRows Weight, int Start, int Count, Tensor? Output)
    {
        public double Energy { get; set; }
    }
}
