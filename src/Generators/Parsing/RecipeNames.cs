using Generated.Quant.Recipes.Rules;
using Microsoft.CodeAnalysis;

namespace Generated.Generators.Parsing;

/// <summary>Metadata names of the recipe attributes, which live in Generated.Quant; a test ties each to the type itself.</summary>
internal static class RecipeNames
{
    public const string Namespace = "Generated.Quant.Recipes";
    public const string Quantize = Namespace + ".QuantizeAttribute`1";
    public const string Keep = Namespace + ".KeepAttribute";
    public const string Override = Namespace + ".OverrideAttribute";

    /// <summary>The attribute of a section. An embedding layer is declared by <c>[Embedding]</c>, so its format has another name.</summary>
    public static string Attribute(RecipeSection section) =>
        $"{Namespace}.{(section.Name == nameof(Quant.Recipes.QuantRecipe.Embedding) ? "TokenEmbedding" : section.Name)}Attribute";

    /// <summary>All attributes of that metadata name.</summary>
    public static IEnumerable<AttributeData> RecipeAttributes(this ISymbol symbol, string name) =>
        symbol.GetAttributes().Where(a => a.AttributeClass is { ContainingType: null } type
            && name == $"{type.ContainingNamespace.ToDisplayString()}.{type.MetadataName}");
}
