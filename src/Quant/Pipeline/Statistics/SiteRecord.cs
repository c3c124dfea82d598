using Generated.Quant.Calibration;
using Generated.Quant.Layers;
using Generated.Quant.Methods;
using Generated.Quant.Observers;
using Generated.Quant.Recipes;
using TorchSharp;
using static TorchSharp.torch;

namespace Generated.Quant.Pipeline;

/// <summary>What calibration gathers of one value, over the real tokens only.</summary>
/// <param name="width">Channels.</param>
internal sealed class SiteRecord(int width) : IDisposable
{
    /// <summary>Values of a sample: enough rows for a search, few enough for memory.</summary>
    private const long SampledValues = 1 << 20;
    private const int FewestRows = 512;
    private const int MostRows = 4096;

    /// <summary>An operation that is applied first: what is inserted in front of the linears.</summary>
    public InputTransform? Transform { get; init; }

    /// <summary>Extremes and means of each channel.</summary>
    public ChannelStatistics? Statistics { get; init; }

    /// <summary>What finds static scales' thresholds. The largest magnitude follows from <see cref="Statistics"/>, where there are any.</summary>
    public IReadOnlyDictionary<ActivationObserver, IThresholdObserver> Observers { get; init; } = new Dictionary<ActivationObserver, IThresholdObserver>();

    /// <summary>Second moments.</summary>
    public Hessian? Hessian { get; init; }

    /// <summary>Some tokens, behind <see cref="Transform"/>.</summary>
    public RowSample Sample { get; init; } = new(width, (int)Math.Clamp(SampledValues / width, FewestRows, MostRows));

    /// <summary>Channels.</summary>
    public int Width => width;

    /// <summary>The threshold by an observer that has seen every token.</summary>
    public double Threshold(ActivationObserver kind) =>
        kind == ActivationObserver.AbsMax && Statistics is { } statistics ? statistics.TensorAbsMax : Observers[kind].Threshold();

    /// <summary>Adds a batch.</summary>
    public void Add(Tensor value, RealTokens tokens)
    {
        using var scope = NewDisposeScope();
        var input = Transform is null ? value : Apply(Transform, value);
        var rows = tokens.Of(input);
        Statistics?.Add(rows);
        Hessian?.Add(rows);
        Sample.Add(rows);
        if (Observers.Count == 0)
            return;
        foreach (var sequence in tokens.BySequence(input))
        {
            foreach (var observer in Observers.Values)
                observer.Add(sequence);
        }
    }

    /// <summary>(x − shift) / divisor by plain operators.</summary>
    public static Tensor Apply(InputTransform transform, Tensor x)
    {
        var moved = transform.Shift is null ? x : x - tensor(transform.Shift, device: x.device);
        return transform.Divisor is null ? moved : moved / tensor(transform.Divisor, device: x.device);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Sample.Dispose();
        Hessian?.Dispose();
        foreach (var observer in Observers.Values)
            observer.Dispose();
    }
}
