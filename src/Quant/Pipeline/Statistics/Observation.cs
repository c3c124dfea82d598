using Generated.Quant.Recipes;

namespace Generated.Quant.Pipeline;

/// <summary>What calibration has seen of a unit's values.</summary>
/// <param name="sites">By site; this object's.</param>
internal sealed class Observation(IReadOnlyDictionary<string, SiteRecord> sites) : IDisposable
{
    /// <summary>The values that linears read, by site.</summary>
    public IReadOnlyDictionary<string, SiteRecord> Sites => sites;

    /// <summary>Thresholds of keys and values by the attention's place in the unit and the observer.</summary>
    public SortedDictionary<int, IReadOnlyDictionary<ActivationObserver, KvThresholds>> KeyValues { get; init; } = [];

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var record in sites.Values)
            record.Dispose();
    }
}
