using Generated.Generators.Graph;
using Microsoft.CodeAnalysis;

namespace Generated.Generators.Diagnostics;

/// <summary>GEN06xx: tensor parallelism.</summary>
internal static partial class Rules
{
    private const string TensorParallelCategory = "Generated.TensorParallel";

    /// <summary>{0} linear, {1} "columns" or "rows", {2} why.</summary>
    public static readonly DiagnosticDescriptor Partition = new(
        RuleId.Partition,
        "Linear cannot be divided this way",
        "'{0}' cannot be divided by {1}: {2}",
        TensorParallelCategory,
        DiagnosticSeverity.Error,
        isEnabledByDefault: true,
        helpLinkUri: HelpLink + RuleId.Partition + ".md");

    /// <summary>{0} preset, {1} degree, {2} width or heads in words, {3} number, {4} layer.</summary>
    public static readonly DiagnosticDescriptor TensorParallelDegree = new(
        RuleId.TensorParallelDegree,
        "Preset cannot run at its degree",
        "Preset '{0}' at degree {1}: {2} is {3}, which {1} does not divide ('{4}')",
        TensorParallelCategory,
        DiagnosticSeverity.Error,
        isEnabledByDefault: true,
        helpLinkUri: HelpLink + RuleId.TensorParallelDegree + ".md");
}
