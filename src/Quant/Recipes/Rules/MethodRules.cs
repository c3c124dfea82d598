namespace Generated.Quant.Recipes.Rules;

/// <summary>Methods that exclude each other, and methods without what they work on.</summary>
internal static class MethodRules
{
    public static IEnumerable<RecipeFinding> Of(QuantRecipe recipe) => Exclusive(recipe).Concat(Missing(recipe)).Concat(Idle(recipe));

    private static IEnumerable<RecipeFinding> Exclusive(QuantRecipe recipe)
    {
        if (recipe is { Smooth: not null, Awq: not null })
            yield return RecipeRule.Exclusive.At("Awq", "Smooth", "Awq", "both choose the scale of every channel");
        if (recipe is { Gptq: not null, Qat: not null })
            yield return RecipeRule.Exclusive.At("Qat", "Gptq", "Qat", "both choose how weights are rounded");
        if (recipe is { AutoClip: not null, Weights.Observer: WeightObserver.Mse })
            yield return RecipeRule.Exclusive.At("AutoClip", "AutoClip", "Observer = Mse", "both choose the range of every scale");
        if (recipe is { Qat: not null, Weights.Observer: WeightObserver.Mse })
            yield return RecipeRule.Exclusive.At("Qat", "Qat", "Observer = Mse", "both choose the range of every scale");
        foreach (var other in recipe.Qat is null ? [] : Untrained(recipe))
            yield return RecipeRule.Exclusive.At("Qat", "Qat", other, "training takes the weights as they are and learns or observes its own ranges; quantize by one of them");
        if (recipe.Qat is { Weights: QatWeights.LsqPlus } && Formats(recipe).Any(f => !f.Symmetric))
            yield return RecipeRule.Exclusive.At("Qat.Weights", "LsqPlus", "Symmetric = false", "it learns scales and no zero points; take ChannelAbsMax or symmetric weights");
        if (recipe.Qat is { Weights: QatWeights.LsqPlus } && Formats(recipe).Any(f => f.Per == Granularity.Tensor))
            yield return RecipeRule.Exclusive.At("Qat.Weights", "LsqPlus", "Per = Tensor", "it learns a scale per channel or group");
    }

    /// <summary>Methods that need statistics of the exact model, which training does not take.</summary>
    private static IEnumerable<string> Untrained(QuantRecipe recipe)
    {
        if (recipe.Shift is not null)
            yield return "Shift";
        if (recipe.Smooth is not null)
            yield return "Smooth";
        if (recipe.Awq is not null)
            yield return "Awq";
        if (recipe.AutoClip is not null)
            yield return "AutoClip";
        if (recipe.KvCache is not null)
            yield return "KvCache";
    }

    private static IEnumerable<WeightFormat> Formats(QuantRecipe recipe) => recipe.Overrides.Select(o => o.Weights).Prepend(recipe.Weights).OfType<WeightFormat>();

    private static IEnumerable<RecipeFinding> Missing(QuantRecipe recipe)
    {
        const string formats = "Weights";
        if (recipe is { Weights: null, Activations: null, KvCache: null, Embedding: null } && recipe.Overrides.All(o => o.Weights is null))
        {
            yield return RecipeRule.Missing.At("", "A recipe", "Weights, KvCache or Embedding", "it gives nothing to quantize");
            yield break;
        }

        var hasWeights = recipe.Weights is not null || recipe.Overrides.Any(o => o.Weights is not null);
        if (hasWeights)
            yield break;
        if (recipe.Activations is not null)
            yield return RecipeRule.Missing.At("Activations", "Activations", formats, "an integer product takes both sides in integers");
        if (recipe.Smooth is { Search: not SmoothSearch.None })
            yield return RecipeRule.Missing.At("Smooth.Search", "Smooth.Search", formats, "it compares what quantized linears give");
        if (recipe.Smooth is { Search: SmoothSearch.None })
            yield return RecipeRule.Missing.At("Smooth", "Smooth", formats, "it moves a difficulty that nothing has");
        if (recipe.Shift is not null)
            yield return RecipeRule.Missing.At("Shift", "Shift", formats, "it removes a difficulty that nothing has");
        if (recipe.Awq is not null)
            yield return RecipeRule.Missing.At("Awq", "Awq", formats, "it compares what quantized linears give");
        if (recipe.AutoClip is not null)
            yield return RecipeRule.Missing.At("AutoClip", "AutoClip", formats, "it clips the ranges of their scales");
        if (recipe.Gptq is not null)
            yield return RecipeRule.Missing.At("Gptq", "Gptq", formats, "it rounds them");
        if (recipe.Qat is not null)
            yield return RecipeRule.Missing.At("Qat", "Qat", formats, "it trains them");
    }

    private static IEnumerable<RecipeFinding> Idle(QuantRecipe recipe)
    {
        var hasActivations = recipe.Activations is not null || recipe.Overrides.Any(o => o.Activations is not null);
        if (recipe.Qat is { } qat && !hasActivations && qat.Activations != default)
            yield return RecipeRule.NoEffect.At("Qat.Activations", "Qat.Activations", "activations stay in floating point");
    }
}
