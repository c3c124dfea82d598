using Generated.Layers;
using Generated.Passes;
using Generated.Quant.Calibration;
using Generated.Quant.Layers;
using Generated.Quant.Methods;
using Generated.Quant.Observers;
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

    /// <summary>What finds a static scale's threshold.</summary>
    public IThresholdObserver? Threshold { get; init; }

    /// <summary>Second moments.</summary>
    public Hessian? Hessian { get; init; }

    /// <summary>Some tokens, behind <see cref="Transform"/>.</summary>
    public RowSample Sample { get; } = new(width, (int)Math.Clamp(SampledValues / width, FewestRows, MostRows));

    public void Add(Tensor value, RealTokens tokens)
    {
        using var scope = NewDisposeScope();
        var input = Transform is null ? value : Apply(Transform, value);
        var rows = tokens.Of(input);
        Statistics?.Add(rows);
        Hessian?.Add(rows);
        Sample.Add(rows);
        if (Threshold is null)
            return;
        foreach (var sequence in tokens.BySequence(input))
            Threshold.Add(sequence);
    }

    /// <summary>(x − shift) / divisor by plain operators.</summary>
    public static Tensor Apply(InputTransform transform, Tensor x)
    {
        var moved = transform.Shift is null ? x : x - tensor(transform.Shift, device: x.device);
        return transform.Divisor is null ? moved : moved / tensor(transform.Divisor, device: x.device);
    }

    public void Dispose()
    {
        Sample.Dispose();
        Hessian?.Dispose();
        Threshold?.Dispose();
    }
}

/// <summary>Keys and values of one attention.</summary>
internal sealed class KvRecord(SectionObserver keys, SectionObserver values) : IDisposable
{
    public double[] KeyThresholds => keys.Thresholds();

    public double[] ValueThresholds => values.Thresholds();

    public void Add(Tensor newKeys, Tensor newValues, RealTokens tokens)
    {
        Add(keys, newKeys, tokens);
        Add(values, newValues, tokens);
    }

    public void Dispose()
    {
        keys.Dispose();
        values.Dispose();
    }

    private static void Add(SectionObserver observer, Tensor heads, RealTokens tokens)
    {
        using var scope = NewDisposeScope();
        // [B, heads, T, headDim] to [B, T, heads · headDim]: a section is a head.
        var byToken = heads.transpose(1, 2).flatten(2);
        foreach (var sequence in tokens.BySequence(byToken))
            observer.Add(sequence);
    }
}

/// <summary>Watches a unit's pass over one batch and adds what it sees to the records.</summary>
/// <param name="sites">The values to record, by site.</param>
/// <param name="attention">Gives the record of an attention; null where caches stay as they are.</param>
/// <param name="tokens">Which of the batch's tokens are real.</param>
internal sealed class SiteRecorder(IReadOnlyDictionary<string, SiteRecord> sites, Func<Attention, KvRecord>? attention, RealTokens tokens) : IProbe
{
    /// <inheritdoc/>
    public void Hidden(int index, Tensor value)
    {
    }

    /// <inheritdoc/>
    public void Named(string name, Tensor value)
    {
    }

    /// <inheritdoc/>
    public void LinearInput(int block, string site, Tensor value)
    {
        if (sites.TryGetValue(site, out var record))
            record.Add(value, tokens);
    }

    /// <inheritdoc/>
    public void KeyValues(Attention layer, Tensor keys, Tensor values) => attention?.Invoke(layer).Add(keys, values, tokens);
}
