namespace Generated.Quant.Recipes.Rules;

/// <summary>Groups against the input widths of every size, also those of one rank.</summary>
internal static class WidthRules
{
    private sealed record Use(string Size, long Width, string Linear, int Group, bool IsRow);

    private sealed record Gathering(string Place, string Linears, string Sizes, long Width, int Group);

    public static IEnumerable<RecipeFinding> Of(QuantRecipe recipe, RecipeFacts facts, LayerChoices choices)
    {
        var uses = Uses(facts, choices).Distinct().ToList();
        var degree = recipe.TensorParallel;
        foreach (var g in Gather(recipe, uses.Where(p => p.Group > 0 && p.Width % p.Group != 0 && (degree == 1 || !p.IsRow))))
            yield return RecipeRule.ShortGroup.At(g.Place, g.Group, g.Width % g.Group, g.Width, g.Linears, g.Sizes);
        if (degree == 1)
            yield break;
        foreach (var g in Gather(recipe, uses.Where(p => p.IsRow && p.Width % degree != 0)))
            yield return RecipeRule.Degree.At("TensorParallel", degree, g.Width, g.Linears, g.Sizes);
        foreach (var g in Gather(recipe, uses.Where(p => p is { IsRow: true, Group: > 0 } && p.Width % degree == 0 && p.Width / degree % p.Group != 0)))
            yield return RecipeRule.GroupCrossesRanks.At(g.Place, g.Group, degree, g.Width / degree, g.Linears, g.Sizes);
    }

    private static IEnumerable<Use> Uses(RecipeFacts facts, LayerChoices choices) =>
        from size in facts.Sizes
        from input in size.Inputs
        let linear = facts.Linear(input.Path)
        where linear is not null
        from weights in choices.Of(input.Path).Select(c => c.Weights).OfType<WeightFormat>()
        select new Use(size.Words, input.Width, linear.Path, weights.Per == Granularity.Group ? weights.GroupSize : 0, linear.IsRow);

    /// <summary>One per width: the linears that have it, and the sizes.</summary>
    private static IEnumerable<Gathering> Gather(QuantRecipe recipe, IEnumerable<Use> uses) => uses.GroupBy(p => (p.Width, p.Group)).Select(g => new Gathering(
        Place(recipe, g.Key.Group), RecipeRules.Quoted(g.Select(p => p.Linear)), string.Join(", ", g.Select(p => p.Size).Distinct()), g.Key.Width, g.Key.Group));

    /// <summary>Where a group size is said.</summary>
    private static string Place(QuantRecipe recipe, int group)
    {
        bool Says(WeightFormat? weights) => weights is { Per: Granularity.Group } && weights.GroupSize == group;
        var index = Says(recipe.Weights) ? -1 : recipe.Overrides.ToList().FindIndex(o => Says(o.Weights));
        return index < 0 ? "Weights.GroupSize" : $"Overrides:{index}";
    }
}
