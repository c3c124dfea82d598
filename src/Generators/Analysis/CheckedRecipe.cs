using Generated.Generators.Graph;
using Generated.Quant.Recipes.Rules;

namespace Generated.Generators.Analysis;

/// <summary>What the rules of recipes found.</summary>
internal sealed record CheckedRecipe(string HintName, EquatableArray<Issue> Issues)
{
    public static CheckedRecipe Of(RecipeDeclaration declaration)
    {
        // What is wrong with the model is said there, once; nothing that a recipe's rules would build on is known then.
        if (declaration.Model is not { IsUsable: true } model || Analysed.Of(model).Spec.IsBroken)
            return new CheckedRecipe(declaration.Spec.HintName, EquatableArray<Issue>.Empty);
        var findings = RecipeRules.Check(declaration.Spec.Recipe, ModelFacts.Of(model));
        return new CheckedRecipe(
            declaration.Spec.HintName,
            findings.Select(f => new Issue(f.Rule, f.Place.Length == 0 ? Anchors.Class : f.Place.Replace('.', ':'), f.Arguments.ToEquatableArray())).ToEquatableArray());
    }
}
