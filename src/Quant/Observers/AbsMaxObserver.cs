using Generated.Quant.Calibration;
using TorchSharp;
using static TorchSharp.torch;

namespace Generated.Quant.Observers;

/// <summary>The largest magnitude seen.</summary>
internal sealed class AbsMaxObserver : IThresholdObserver
{
    private double _threshold = -1;

    /// <inheritdoc/>
    public void Add(Tensor rows)
    {
        if (rows.numel() > 0)
            _threshold = Math.Max(_threshold, Of(rows));
    }

    /// <inheritdoc/>
    public double Threshold() => _threshold >= 0 ? _threshold : throw Empty();

    /// <inheritdoc/>
    public void Dispose()
    {
    }

    /// <summary>The largest magnitude of some rows, checked.</summary>
    internal static double Of(Tensor rows)
    {
        using var noGrad = no_grad();
        using var scope = NewDisposeScope();
        var largest = rows.abs().max().to_type(ScalarType.Float64).item<double>();
        return double.IsFinite(largest) ? largest : throw Finite.Refuse("The calibration activations", largest, $"among {rows.shape[0]} tokens");
    }

    /// <summary>The exception of an observer that saw nothing.</summary>
    internal static InvalidInputException Empty() => new("There are no calibration tokens; give a calibration text with at least one.");
}
