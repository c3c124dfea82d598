using Generated.Generators.Parsing;

namespace Generated.Quant.Recipes.Rules;

/// <summary>Linears that a recipe names, and whether it leaves any.</summary>
internal static class LayerRules
{
    public static IEnumerable<RecipeFinding> Of(QuantRecipe recipe, RecipeFacts facts, LayerChoices choices)
    {
        var named = recipe.Keep.Select((layer, i) => (Layer: layer, Place: $"Keep:{i}", Words: "Keep"))
            .Concat(recipe.Overrides.Select((o, i) => (o.Layer, Place: $"Overrides:{i}", Words: "Override")))
            .ToList();
        var isUnknown = false;
        for (var i = 0; i < named.Count; i++)
        {
            var (layer, place, words) = named[i];
            if (named.Take(i).FirstOrDefault(n => n.Layer == layer) is { Layer: not null } first)
                yield return RecipeRule.SaidTwice.At(place, layer, first.Words, words);
            else if (Unknown(layer, place, facts) is { } unknown)
            {
                isUnknown = true;
                yield return unknown;
            }
        }

        // One mistake is one finding: what an unknown name would have left is not known.
        if (isUnknown || facts.Linears.Count == 0)
            yield break;
        if (recipe is { KvCache: null, Embedding: null } && (recipe.Weights is not null || recipe.Overrides.Any(o => o.Weights is not null))
            && choices.Quantized.Count == 0)
            yield return RecipeRule.NothingLeft.At(recipe.Keep.Count > 0 ? "Keep" : "", facts.Model);
        if (recipe.KvCache is not null && !facts.HasAttention)
            yield return RecipeRule.NoCache.At("KvCache", facts.Model);
        if (recipe.Embedding is { TiedHead: true } && !facts.Linears.Any(l => l.IsTied))
            yield return RecipeRule.NoEffect.At("Embedding.TiedHead", "Embedding.TiedHead", $"no linear of {facts.Model} is tied to the embedding");
    }

    private static RecipeFinding? Unknown(string layer, string place, RecipeFacts facts)
    {
        if (LayerPattern.Parse(layer) is not { } pattern)
            return RecipeRule.InvalidValue.At(place, "The block", $"'{layer.Substring(layer.LastIndexOf('@') + 1)}'", "an index");
        var fitting = facts.Linears.Where(l => Blocks(l, pattern, facts).Any(b => pattern.Names(l.Path, l.Name, b))).ToList();
        if (fitting.Count == 0)
            return RecipeRule.UnknownLayer.At(place, layer, facts.Model, Suggestion(pattern, facts));
        if (pattern.IsExact && fitting.Count > 1)
            return RecipeRule.Ambiguous.At(place, layer, RecipeRules.Quoted(fitting.Select(l => l.Path)));
        if (pattern.Index is not { } index)
            return null;
        if (!fitting.Any(l => l.IsInBlock))
            return RecipeRule.InvalidValue.At(place, "The block", $"{index}", $"left out: {RecipeRules.Quoted(fitting.Select(l => l.Path))} is outside blocks");
        var blocks = facts.Sizes.Select(s => s.Blocks).ToList();
        return blocks.Count > 0 && blocks.All(b => b <= index)
            ? RecipeRule.InvalidValue.At(place, "The block", $"{index}", $"below {blocks.Max()}, the number of blocks")
            : null;
    }

    /// <summary>Indices of the blocks a linear may be in, that of the pattern included: whether it exists is another question.</summary>
    private static IEnumerable<int> Blocks(LinearFacts linear, LayerPattern pattern, RecipeFacts facts) =>
        pattern.Index is { } index ? [linear.IsInBlock ? index : -1, index] : linear.IsInBlock ? Enumerable.Range(0, Math.Max(facts.Blocks, 1)) : [-1];

    private static string Suggestion(LayerPattern pattern, RecipeFacts facts)
    {
        var paths = facts.Linears.Select(l => l.Path).ToList();
        if (pattern.IsExact && (Nearest.To(pattern.Text, paths) ?? Nearest.To(pattern.Text, paths.Select(Member))) is { } near)
            return $"; did you mean '{near}'?";
        return $"; it has {string.Join(", ", paths)}";
    }

    /// <summary>A path without its class.</summary>
    private static string Member(string path) => path.Substring(path.IndexOf('.') + 1);
}
