namespace Generated.Quant.Recipes.Rules;

/// <summary>What a recipe does to every linear of a model: each in those of its blocks where this may differ.</summary>
internal sealed class LayerChoices
{
    private readonly Dictionary<string, IReadOnlyList<LayerChoice>> _choices;

    public LayerChoices(QuantRecipe recipe, RecipeFacts facts)
    {
        var named = recipe.Keep.Concat(recipe.Overrides.Select(o => o.Layer)).ToList();
        var indices = named.Select(n => LayerPattern.Parse(n)?.Index).OfType<int>().Distinct().ToList();
        // Patterns may pick out blocks by their number in a checkpoint name.
        if (named.Any(n => n.IndexOf('*') >= 0))
            indices = [.. indices.Union(Enumerable.Range(0, facts.Blocks))];
        _choices = facts.Linears.ToDictionary(l => l.Path, l => Of(recipe, l, indices, facts.Blocks));
        Quantized = [.. facts.Linears.Select(l => l.Path).Where(p => !IsKept(p))];
    }

    /// <summary>Paths of the linears that do not stay as they are in all of their blocks.</summary>
    public IReadOnlyList<string> Quantized { get; }

    public IReadOnlyList<LayerChoice> Of(string path) => _choices.TryGetValue(path, out var choices) ? choices : [];

    private bool IsKept(string path) => Of(path).All(c => c.IsKept);

    private static IReadOnlyList<LayerChoice> Of(QuantRecipe recipe, LinearFacts linear, List<int> indices, int blocks)
    {
        LayerChoice In(int block) => LayerChoice.Of(recipe, linear.Path, linear.Name, linear.IsTied, block);
        if (!linear.IsInBlock)
            return [In(-1)];
        // Any block that nothing names stands for all of them.
        var other = Enumerable.Range(0, int.MaxValue).First(i => !indices.Contains(i));
        var existing = indices.Where(i => blocks == 0 || i < blocks);
        return [.. (blocks == 0 || other < blocks ? existing.Append(other) : existing).Select(In).Distinct()];
    }
}
