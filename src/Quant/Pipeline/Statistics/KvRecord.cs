using Generated.Layers;
using Generated.Quant.Calibration;
using Generated.Quant.Observers;
using Generated.Quant.Recipes;
using TorchSharp;
using static TorchSharp.torch;

namespace Generated.Quant.Pipeline;

/// <summary>Thresholds of an attention's keys and values, one per head.</summary>
internal sealed record KvThresholds(double[] Keys, double[] Values);

/// <summary>Watches keys and values of one attention by some observers.</summary>
/// <param name="layer">The attention.</param>
/// <param name="kinds">The observers.</param>
internal sealed class KvRecord(Attention layer, IReadOnlyList<ActivationObserver> kinds) : IDisposable
{
    private readonly List<(ActivationObserver Kind, SectionObserver Keys, SectionObserver Values)> _observers =
        [.. kinds.Select(kind => (kind, Heads(layer, kind), Heads(layer, kind)))];

    /// <summary>What each observer has found.</summary>
    public IReadOnlyDictionary<ActivationObserver, KvThresholds> Thresholds() =>
        _observers.ToDictionary(o => o.Kind, o => new KvThresholds(o.Keys.Thresholds(), o.Values.Thresholds()));

    /// <summary>Adds a batch, [B, heads, T, headDim] each.</summary>
    public void Add(Tensor keys, Tensor values, RealTokens tokens)
    {
        foreach (var (_, forKeys, forValues) in _observers)
        {
            Add(forKeys, keys, tokens);
            Add(forValues, values, tokens);
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var (_, keys, values) in _observers)
        {
            keys.Dispose();
            values.Dispose();
        }
    }

    private static SectionObserver Heads(Attention layer, ActivationObserver kind) => ThresholdObservers.CreateSections(kind, layer.KvHeads * layer.HeadDim, layer.HeadDim);

    private static void Add(SectionObserver observer, Tensor heads, RealTokens tokens)
    {
        using var scope = NewDisposeScope();
        // [B, heads, T, headDim] to [B, T, heads · headDim]: a section is a head.
        var byToken = heads.transpose(1, 2).flatten(2);
        foreach (var sequence in tokens.BySequence(byToken))
            observer.Add(sequence);
    }
}
