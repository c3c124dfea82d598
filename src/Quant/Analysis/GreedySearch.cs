using Generated.Quant.Recipes;

namespace Generated.Quant.Analysis;

/// <summary>Leaves the most sensitive layers unquantized, one more at a time, until a metric holds.</summary>
internal static class GreedySearch
{
    /// <summary>Searches.</summary>
    /// <param name="trials">Takes the metric.</param>
    /// <param name="ranked">The layers, most sensitive first.</param>
    /// <param name="target">What the metric may be at most.</param>
    public static SearchResult Run(LayerTrials trials, IReadOnlyList<LayerSwitch> ranked, double target)
    {
        var steps = new List<SearchStep> { new(null, trials.Except()) };
        // Without the last layer nothing would be quantized any more.
        for (var kept = 1; kept < ranked.Count && !(steps[^1].Metric <= target); kept++)
            steps.Add(new SearchStep(ranked[kept - 1].Id, trials.Except([.. ranked.Take(kept)])));
        return new SearchResult(target, steps, steps[^1].Metric <= target);
    }

    /// <summary>The recipe that keeps what a search left unquantized.</summary>
    public static QuantRecipe Recipe(QuantRecipe recipe, SearchResult found)
    {
        var kept = found.Kept;
        return recipe with
        {
            Name = recipe.Name + "-searched",
            Overrides = [.. recipe.Overrides.Where(o => !kept.Contains(o.Layer)), .. kept.Select(layer => new LayerOverride(layer) { Keep = true })],
        };
    }
}

/// <summary>A step of a search.</summary>
/// <param name="Layer">The layer that is left unquantized from here on; null for the recipe as it was.</param>
/// <param name="Metric">The metric with this layer and those of the steps before unquantized.</param>
public sealed record SearchStep(string? Layer, double Metric);

/// <summary>What a search found.</summary>
/// <param name="Target">What the metric may be at most.</param>
/// <param name="Steps">The steps in order.</param>
/// <param name="IsReached">Whether the last step holds the target.</param>
public sealed record SearchResult(double Target, IReadOnlyList<SearchStep> Steps, bool IsReached)
{
    /// <summary>The layers that are left unquantized, as recipes write them.</summary>
    public IReadOnlyList<string> Kept => [.. Steps.Select(step => step.Layer).OfType<string>()];
}
