using Generated.Quant.Recipes.Rules;

namespace Generated.Quant.Recipes;

/// <summary>
/// What a recipe does to one linear. Of everything that names it, the most exact decides: its path with a block, its path, a pattern
/// with a block, a pattern (of several the one with most letters, of equal ones the last), the recipe's default. To keep a linear and to
/// override it are equally exact, and where they meet it is kept.
/// </summary>
/// <param name="Weights">Format of its weight; null leaves it as it is.</param>
/// <param name="Activations">Format of its input; null leaves it as it is.</param>
public sealed record LayerChoice(WeightFormat? Weights, ActivationFormat? Activations)
{
    private static readonly LayerChoice Kept = new(null, null);

    /// <summary>Whether the linear stays as it is.</summary>
    public bool IsKept => Weights is null;

    /// <summary>What a recipe does to a linear.</summary>
    /// <param name="recipe">The recipe.</param>
    /// <param name="path">Declared path.</param>
    /// <param name="name">Checkpoint name without <c>.weight</c>, with <c>{i}</c> in a block.</param>
    /// <param name="isTied">Whether its matrix is the embedding's.</param>
    /// <param name="block">Index of the block; −1 outside blocks.</param>
    public static LayerChoice Of(QuantRecipe recipe, string path, string name, bool isTied, int block)
    {
        LayerOverride? best = null;
        var rank = Rank.None;
        foreach (var entry in recipe.Keep.Select(layer => new LayerOverride(layer) { Keep = true }).Concat(recipe.Overrides))
        {
            if (LayerPattern.Parse(entry.Layer) is not { } pattern || !pattern.Names(path, name, block))
                continue;
            var next = Rank.Of(pattern);
            if (next.CompareTo(rank) < 0 || (next.CompareTo(rank) == 0 && best is { Keep: true }))
                continue;
            (best, rank) = (entry, next);
        }

        if (best is { Keep: true } || (isTied && best is null))
            return Kept;
        var weights = best?.Weights ?? recipe.Weights;
        return weights is null ? Kept : new LayerChoice(weights, best?.Activations ?? recipe.Activations);
    }

    /// <summary>How exactly something names a linear.</summary>
    private readonly record struct Rank(bool IsNamed, bool IsExact, bool HasBlock, int Letters) : IComparable<Rank>
    {
        public static Rank None => default;

        public static Rank Of(LayerPattern pattern) =>
            new(true, pattern.IsExact, pattern.Index is not null, pattern.Text.Count(c => c != '*'));

        public int CompareTo(Rank other) =>
            (IsNamed, IsExact, HasBlock, Letters).CompareTo((other.IsNamed, other.IsExact, other.HasBlock, other.Letters));
    }
}
