namespace Generated.Quant.Recipes.Rules;

/// <summary>Whether what shift, smooth and AWQ take out of activations can move into the norms before, and what is inserted where it cannot.</summary>
internal static class FoldRules
{
    private sealed record Method(string Name, bool AllLinears, bool CrossesPairs, string Operation);

    public static IEnumerable<RecipeFinding> Of(QuantRecipe recipe, RecipeFacts facts, LayerChoices choices) =>
        Methods(recipe).SelectMany(m => Check(m, facts, choices)).Concat(Biases(recipe, facts, choices.Quantized));

    private static IEnumerable<Method> Methods(QuantRecipe recipe)
    {
        if (recipe.Shift is { } shift)
            yield return new Method("Shift", shift.AllLinears, false, "adds an offset per channel");
        if (recipe.Smooth is { } smooth)
            yield return new Method("Smooth", smooth.AllLinears, false, "multiplies each channel");
        if (recipe.Awq is { } awq)
            yield return new Method("Awq", awq.AllLinears, true, "multiplies each channel");
    }

    private static IEnumerable<RecipeFinding> Check(Method method, RecipeFacts facts, LayerChoices choices)
    {
        var quantized = choices.Quantized;
        if (quantized.Count == 0)
            yield break;
        var behind = new HashSet<string>();
        var refused = false;
        foreach (var norm in facts.Norms)
        {
            var linears = norm.Linears.Where(quantized.Contains).ToList();
            if (linears.Count == 0)
                continue;
            var always = norm.Conflicts.FirstOrDefault(c => c.When is null);
            if (always is null)
                behind.UnionWith(linears);
            if (method.AllLinears)
                continue;
            refused |= always is { IsShortcut: true };
            if (always is not null)
                yield return (always.IsShortcut ? RecipeRule.Fold : RecipeRule.NotFolded).At(method.Name, method.Name, norm.Path, RecipeRules.Quoted(linears), always.Reason);
            else
                foreach (var conflict in norm.Conflicts.Where(c => c.IsShortcut))
                    yield return RecipeRule.SwitchedFold.At(method.Name, method.Name, norm.Path, RecipeRules.Quoted(linears), conflict.Reason, conflict.When!);
        }

        if (method.CrossesPairs)
            behind.UnionWith(facts.PairTargets.Where(quantized.Contains));
        var rest = quantized.Where(l => !behind.Contains(l)).ToList();
        if (method.AllLinears && rest.Count > 0)
            yield return RecipeRule.InsertedOperation.At($"{method.Name}.AllLinears", method.Name, method.Operation, RecipeRules.Quoted(rest));
        if (!method.AllLinears && behind.Count == 0 && !refused)
            yield return RecipeRule.NothingMoves.At(method.Name, method.Name, facts.Model);
    }

    /// <summary>A shifted RMSNorm gets the bias it has not.</summary>
    private static IEnumerable<RecipeFinding> Biases(QuantRecipe recipe, RecipeFacts facts, IReadOnlyList<string> quantized)
    {
        if (recipe.Shift is null)
            yield break;
        foreach (var norm in facts.Norms)
        {
            if (!norm.HasBias && norm.Linears.Any(quantized.Contains) && norm.Conflicts.All(c => c.When is not null))
                yield return RecipeRule.InsertedBias.At("Shift", norm.Path, RecipeRules.Quoted(norm.Linears));
        }
    }
}
