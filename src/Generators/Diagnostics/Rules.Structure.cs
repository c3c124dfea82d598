using Generated.Generators.Graph;
using Microsoft.CodeAnalysis;

namespace Generated.Generators.Diagnostics;

/// <summary>GEN03xx: norms, biases and positions: what quantization and attention rely on.</summary>
internal static partial class Rules
{
    private const string StructureCategory = "Generated.Structure";

    /// <summary>{0} norm, {1} linears, {2} the other consumer in words.</summary>
    public static readonly DiagnosticDescriptor NormNotFoldable = new(
        RuleId.NormNotFoldable,
        "Norm also feeds something else",
        "The scale of '{0}' cannot be folded into {1}, because it also feeds {2}",
        StructureCategory,
        DiagnosticSeverity.Info,
        isEnabledByDefault: true,
        helpLinkUri: HelpLink + RuleId.NormNotFoldable + ".md");

    /// <summary>{0} linear.</summary>
    public static readonly DiagnosticDescriptor NoBiasForShift = new(
        RuleId.NoBiasForShift,
        "Linear has no bias for a shift",
        "'{0}' has no bias; shifting its input will add one",
        StructureCategory,
        DiagnosticSeverity.Info,
        isEnabledByDefault: true,
        helpLinkUri: HelpLink + RuleId.NoBiasForShift + ".md");

    /// <summary>{0} attention layer.</summary>
    public static readonly DiagnosticDescriptor NoPositions = new(
        RuleId.NoPositions,
        "Attention sees no positions",
        "'{0}' sees no positions: rotate queries and keys, set Alibi, or add a position embedding",
        StructureCategory,
        DiagnosticSeverity.Warning,
        isEnabledByDefault: true,
        helpLinkUri: HelpLink + RuleId.NoPositions + ".md");

    /// <summary>{0} attention layer, {1} and {2} "queries" or "keys".</summary>
    public static readonly DiagnosticDescriptor HalfRotated = new(
        RuleId.HalfRotated,
        "Only one side of the attention is rotated",
        "'{0}' takes rotated {1} but unrotated {2}",
        StructureCategory,
        DiagnosticSeverity.Error,
        isEnabledByDefault: true,
        helpLinkUri: HelpLink + RuleId.HalfRotated + ".md");
}
