using Generated.Quant.Recipes;

namespace Generated.Generators.Graph;

/// <summary>A declared recipe: all that its emitted half depends on.</summary>
/// <param name="Namespace">Namespace, empty for the global one.</param>
/// <param name="Name">The class's name.</param>
/// <param name="Model">Fully qualified name of the model class, with <c>global::</c>.</param>
/// <param name="Recipe">What the attributes say.</param>
internal sealed record RecipeSpec(string Namespace, string Name, string Model, QuantRecipe Recipe)
{
    /// <summary>Unique, stable name of the emitted file.</summary>
    public string HintName => (Namespace.Length == 0 ? Name : $"{Namespace}.{Name}") + ".g.cs";
}

/// <summary>A recipe and the model it is for.</summary>
/// <param name="Spec">The recipe.</param>
/// <param name="Model">The model's graph; null where there is none to check against.</param>
internal sealed record RecipeDeclaration(RecipeSpec Spec, ClassSpec? Model);
