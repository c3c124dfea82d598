using Generated.Quant.Layers;
using Generated.Quant.Methods;
using Generated.Quant.Recipes;
using static TorchSharp.torch;

namespace Generated.Quant.Pipeline;

/// <summary>What rounding a site's weights goes by: the value as its linears get it, offsets and scales moved out.</summary>
/// <param name="Sample">Some tokens, float32 [n, width]; this object's.</param>
/// <param name="Threshold">Where codes of a static scale end; null where there is none.</param>
/// <param name="Hessian">Second moments, for GPTQ; the record's.</param>
/// <param name="Inserted">The operation in front of the linears, or null.</param>
internal sealed record SiteValues(Tensor Sample, double? Threshold, Hessian? Hessian, InputTransform? Inserted) : IDisposable
{
    /// <summary>Takes the values from what was seen.</summary>
    /// <param name="site">The site.</param>
    /// <param name="unit">Its unit, transformed.</param>
    /// <param name="exact">What was seen of the exact values; null where <paramref name="changed"/> has the site.</param>
    /// <param name="moved">What was moved out of the value; null for nothing.</param>
    /// <param name="changed">What was seen of the value as it is now, of some sites or none.</param>
    public static SiteValues Of(SitePlan site, Unit unit, Observation? exact, InputTransform? moved, Observation? changed)
    {
        var inserted = unit.Inserted.GetValueOrDefault(site.Site);
        var kind = site.Activations is { Per: ActivationGranularity.Tensor } format ? format.Observer : (ActivationObserver?)null;
        if (changed?.Sites.GetValueOrDefault(site.Site) is { } record)
            return new SiteValues(record.Sample.ToTensor(), kind is { } observed ? record.Threshold(observed) : null, record.Hessian, inserted);
        var before = exact!.Sites[site.Site];
        if (moved is null)
            return new SiteValues(before.Sample.ToTensor(), kind is { } seen ? before.Threshold(seen) : null, null, inserted);
        // x' = (x − z) / s of every token, and so of every extreme.
        using var sample = before.Sample.ToTensor();
        using var scope = NewDisposeScope();
        return new SiteValues(SiteRecord.Apply(moved, sample).MoveToOuterDisposeScope(), kind is null ? null : AbsMax(before, moved), null, inserted);
    }

    /// <inheritdoc/>
    public void Dispose() => Sample.Dispose();

    private static double AbsMax(SiteRecord record, InputTransform moved)
    {
        var statistics = moved.Shift is { } shift ? record.Statistics!.Shifted(shift) : record.Statistics!;
        return (moved.Divisor is { } scale ? statistics.Divided(scale) : statistics).TensorAbsMax;
    }
}
