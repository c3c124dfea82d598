namespace Generated.Quant.Recipes.Rules;

/// <summary>
/// Every rule of recipes, over plain facts: the compiler runs them on what an attributed class declares, loading on a recipe from
/// wherever it comes, with the actual config.
/// </summary>
internal static class RecipeRules
{
    /// <summary>What is wrong with a recipe, or worth knowing, for a model; in order of the recipe's parts.</summary>
    public static ContentList<RecipeFinding> Check(QuantRecipe recipe, RecipeFacts facts)
    {
        var values = ValueRules.Of(recipe).ToList();
        // Where a value is impossible, what follows from it is noise.
        if (values.Any(f => f.Severity == FindingSeverity.Error))
            return values.ToContentList();
        var choices = new LayerChoices(recipe, facts);
        return values
            .Concat(MethodRules.Of(recipe))
            .Concat(LayerRules.Of(recipe, facts, choices))
            .Concat(FoldRules.Of(recipe, facts, choices))
            .Concat(WidthRules.Of(recipe, facts, choices))
            .Concat(KernelRules.Of(facts, choices))
            .Distinct()
            .ToContentList();
    }

    /// <summary>Paths as messages list them.</summary>
    public static string Quoted(IEnumerable<string> paths) => string.Join(", ", paths.Distinct().Select(p => $"'{p}'"));
}
