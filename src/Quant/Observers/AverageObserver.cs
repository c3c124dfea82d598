using static TorchSharp.torch;

namespace Generated.Quant.Observers;

/// <summary>The mean over samples of each sample's largest magnitude (PaddleSlim's AVG).</summary>
internal sealed class AverageObserver : IThresholdObserver
{
    private double _sum;
    private long _samples;

    /// <inheritdoc/>
    public void Add(Tensor rows)
    {
        if (rows.numel() == 0)
            return;
        _sum += AbsMaxObserver.Of(rows);
        _samples++;
    }

    /// <inheritdoc/>
    public double Threshold() => _samples > 0 ? _sum / _samples : throw AbsMaxObserver.Empty();

    /// <inheritdoc/>
    public void Dispose()
    {
    }
}
