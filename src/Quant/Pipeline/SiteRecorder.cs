using Generated.Layers;
using Generated.Passes;
using Generated.Quant.Calibration;
using static TorchSharp.torch;

namespace Generated.Quant.Pipeline;

/// <summary>Watches a unit's pass over one batch and adds what it sees to the records.</summary>
/// <param name="sites">The values to record, by site.</param>
/// <param name="attention">Gives the record of an attention; null where keys and values are not watched.</param>
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
