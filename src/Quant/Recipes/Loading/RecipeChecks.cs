using Generated.Architectures;
using Generated.Quant.Recipes.Rules;

namespace Generated.Quant.Recipes;

/// <summary>Checks a recipe against a model with its actual config: the same rules, in the same words, that the compiler has for declared recipes.</summary>
public static class RecipeChecks
{
    /// <summary>Everything found in a recipe, errors included.</summary>
    /// <param name="recipe">The recipe, from wherever it comes.</param>
    /// <param name="structure">The model's structure for its config.</param>
    /// <param name="model">What messages call the model.</param>
    /// <param name="blocks">Number of its blocks, where it is known.</param>
    public static IReadOnlyList<RecipeFinding> Find(QuantRecipe recipe, ModelStructure structure, string model = "this model", int? blocks = null)
    {
        ArgumentNullException.ThrowIfNull(recipe);
        ArgumentNullException.ThrowIfNull(structure);
        return RecipeRules.Check(recipe, StructureFacts.Of(structure, model, blocks));
    }

    /// <summary>Refuses a recipe that cannot be carried out; returns what else was found.</summary>
    /// <inheritdoc cref="Find"/>
    /// <exception cref="InvalidInputException">The recipe has errors; the message gives them all.</exception>
    public static IReadOnlyList<RecipeFinding> Check(QuantRecipe recipe, ModelStructure structure, string model = "this model", int? blocks = null)
    {
        var findings = Find(recipe, structure, model, blocks);
        var errors = findings.Where(f => f.Severity == FindingSeverity.Error).Select(f => $"{f.Message} ({f.Rule})").ToList();
        return errors.Count == 0
            ? findings
            : throw new InvalidInputException($"Recipe '{recipe.Name}' cannot be applied: {string.Join("; ", errors)}.");
    }

    /// <summary>What a recipe does to a linear.</summary>
    /// <param name="recipe">The recipe.</param>
    /// <param name="linear">The linear.</param>
    /// <param name="block">Index of its block; −1 outside blocks.</param>
    public static LayerChoice Choice(this QuantRecipe recipe, LinearInfo linear, int block = -1)
    {
        ArgumentNullException.ThrowIfNull(recipe);
        ArgumentNullException.ThrowIfNull(linear);
        return LayerChoice.Of(recipe, linear.Path, linear.Name, linear.TiedTo is not null, block);
    }
}
