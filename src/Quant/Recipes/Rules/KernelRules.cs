namespace Generated.Quant.Recipes.Rules;

/// <summary>Formats that no kernel multiplies as they are: what runs instead.</summary>
internal static class KernelRules
{
    public static IEnumerable<RecipeFinding> Of(RecipeFacts facts, LayerChoices choices)
    {
        var formats = facts.Linears.SelectMany(l => choices.Of(l.Path)).Where(c => !c.IsKept).Distinct().ToList();
        foreach (var (weights, activations) in formats.Select(c => (c.Weights!, c.Activations)))
        {
            if (weights.Per == Granularity.Tensor)
                yield return RecipeRule.Kernel.At("Weights.Per", "one scale per weight", "it is stored once per output channel");
            if (activations is not null && Obstacle(weights) is { } obstacle)
                yield return RecipeRule.Kernel.At(
                    "Activations", $"8-bit activations with {obstacle}", "activations are rounded to 8 bits, and the kernel for weights alone multiplies them");
        }
    }

    private static string? Obstacle(WeightFormat weights) => weights switch
    {
        { Bits: not 8 } => $"{weights.Bits}-bit weights",
        { Per: Granularity.Group } => "weights in groups",
        { Symmetric: false } => "asymmetric weights",
        _ => null,
    };
}
