using Microsoft.CodeAnalysis;

namespace Generated.Generators.Parsing;

/// <summary>Metadata names of the runtime's types the compiler knows; a test ties each to the type itself.</summary>
internal static class KnownNames
{
    public const string Namespace = "Generated";

    public const string Block = "Generated.BlockAttribute";
    public const string Part = "Generated.PartAttribute";
    public const string Model = "Generated.ModelAttribute";
    public const string Inputs = "Generated.InputsAttribute`1";
    public const string Ignore = "Generated.IgnoreAttribute";
    public const string ForwardWhen = "Generated.ForwardWhenAttribute";

    public const string Config = "Generated.ConfigAttribute";
    public const string Key = "Generated.KeyAttribute";
    public const string Preset = "Generated.PresetAttribute";
    public const string Variant = "Generated.VariantAttribute";

    public const string DeclaredGraph = "Generated.DeclaredGraphAttribute";

    public const string Layer = "Generated.LayerAttribute";
    public const string Linear = "Generated.LinearAttribute";
    public const string RmsNorm = "Generated.RmsNormAttribute";
    public const string LayerNorm = "Generated.LayerNormAttribute";
    public const string Embedding = "Generated.EmbeddingAttribute";
    public const string PositionEmbedding = "Generated.PositionEmbeddingAttribute";
    public const string Rotary = "Generated.RotaryAttribute";
    public const string Attention = "Generated.AttentionAttribute";
    public const string Sections = "Generated.SectionsAttribute";
    public const string LogN = "Generated.LogNAttribute";
    public const string Use = "Generated.UseAttribute`1";
    public const string Repeat = "Generated.RepeatAttribute`1";

    public const string Flow = "Generated.Flow";
    public const string Flow2 = "Generated.Flow2";
    public const string Flow3 = "Generated.Flow3";
    public const string Tokens = "Generated.Tokens";
    public const string Ops = "Generated.Ops";

    public const string InputScheme = "global::Generated.Passes.IInputScheme";
    public const string DefaultInputs = "global::Generated.Passes.CausalInputs";

    /// <summary>Whether a type is the known one of that metadata name (all of which lie in one namespace).</summary>
    public static bool Is(this ITypeSymbol? type, string name) =>
        type is INamedTypeSymbol { ContainingType: null, ContainingNamespace: { Name: Namespace, ContainingNamespace.IsGlobalNamespace: true } } named
        && name.Length == Namespace.Length + 1 + named.MetadataName.Length
        && name.EndsWith(named.MetadataName, StringComparison.Ordinal);

    /// <summary>The first attribute of that metadata name.</summary>
    public static AttributeData? Attribute(this ISymbol symbol, string name)
    {
        foreach (var attribute in symbol.GetAttributes())
            if (attribute.AttributeClass.Is(name)) return attribute;
        return null;
    }

    /// <summary>The attribute that makes a class a block, model or part, or a record a config; null where there is none.</summary>
    public static string? DeclaredBy(this INamedTypeSymbol type) =>
        new[] { Block, Model, Part, Config }.FirstOrDefault(name => type.Attribute(name) is not null);

    /// <summary>Whether an attribute declares a layer.</summary>
    public static bool IsLayer(this AttributeData attribute) => attribute.AttributeClass?.BaseType.Is(Layer) == true;

    /// <summary>The type as emitted code writes it.</summary>
    public static string Code(this ITypeSymbol type) => type.ToDisplayString(CodeFormat);

    /// <summary>The type as a message names it.</summary>
    public static string Words(this ITypeSymbol type) => type.ToDisplayString(SymbolDisplayFormat.MinimallyQualifiedFormat);

    private static readonly SymbolDisplayFormat CodeFormat = SymbolDisplayFormat.FullyQualifiedFormat.WithMiscellaneousOptions(
        SymbolDisplayMiscellaneousOptions.UseSpecialTypes
        | SymbolDisplayMiscellaneousOptions.EscapeKeywordIdentifiers
        | SymbolDisplayMiscellaneousOptions.IncludeNullableReferenceTypeModifier);
}
