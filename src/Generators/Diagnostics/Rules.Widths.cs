using Generated.Generators.Graph;
using Microsoft.CodeAnalysis;

namespace Generated.Generators.Diagnostics;

/// <summary>GEN02xx: widths, as polynomials of config members.</summary>
internal static partial class Rules
{
    private const string WidthsCategory = "Generated.Widths";

    /// <summary>{0} layer, {1} and {2} widths.</summary>
    public static readonly DiagnosticDescriptor WidthMismatch = new(
        RuleId.WidthMismatch,
        "Widths do not match",
        "'{0}' takes width {1}, but is given width {2}",
        WidthsCategory,
        DiagnosticSeverity.Error,
        isEnabledByDefault: true,
        helpLinkUri: HelpLink + RuleId.WidthMismatch + ".md");

    /// <summary>{0} operator, {1} and {2} widths.</summary>
    public static readonly DiagnosticDescriptor UnequalWidths = new(
        RuleId.UnequalWidths,
        "Both sides must have one width",
        "Both sides of '{0}' must have one width, but they have {1} and {2}",
        WidthsCategory,
        DiagnosticSeverity.Error,
        isEnabledByDefault: true,
        helpLinkUri: HelpLink + RuleId.UnequalWidths + ".md");

    /// <summary>{0} layer, {1} preset, {2} width.</summary>
    public static readonly DiagnosticDescriptor OddHeadWidth = new(
        RuleId.OddHeadWidth,
        "Rotary embedding needs an even width",
        "Rotary '{0}' turns pairs of features, but preset '{1}' gives it {2}",
        WidthsCategory,
        DiagnosticSeverity.Error,
        isEnabledByDefault: true,
        helpLinkUri: HelpLink + RuleId.OddHeadWidth + ".md");

    /// <summary>{0} preset, {1} expression, {2} and {3} numbers.</summary>
    public static readonly DiagnosticDescriptor InexactDivision = new(
        RuleId.InexactDivision,
        "Preset does not divide evenly",
        "Preset '{0}': {1} is {2} / {3}, which leaves a remainder",
        WidthsCategory,
        DiagnosticSeverity.Error,
        isEnabledByDefault: true,
        helpLinkUri: HelpLink + RuleId.InexactDivision + ".md");

    /// <summary>{0} preset, {1} and {2} numbers, {3} layer.</summary>
    public static readonly DiagnosticDescriptor KvHeads = new(
        RuleId.KvHeads,
        "Heads are not a multiple of key/value heads",
        "Preset '{0}': {1} query heads are not a multiple of {2} key/value heads in '{3}'",
        WidthsCategory,
        DiagnosticSeverity.Error,
        isEnabledByDefault: true,
        helpLinkUri: HelpLink + RuleId.KvHeads + ".md");

    /// <summary>{0} layer, {1} and {2} widths.</summary>
    public static readonly DiagnosticDescriptor SectionSum = new(
        RuleId.SectionSum,
        "Sections do not cover the flow",
        "Sections of '{0}' sum to width {1}, but are given width {2}",
        WidthsCategory,
        DiagnosticSeverity.Error,
        isEnabledByDefault: true,
        helpLinkUri: HelpLink + RuleId.SectionSum + ".md");

    /// <summary>{0} linear, {1} embedding, {2} and {3} shapes as "Vocab × Hidden".</summary>
    public static readonly DiagnosticDescriptor TiedShape = new(
        RuleId.TiedShape,
        "Shared matrix has another shape",
        "'{0}' shares the matrix of '{1}', which is {2}, so it cannot be {3}",
        WidthsCategory,
        DiagnosticSeverity.Error,
        isEnabledByDefault: true,
        helpLinkUri: HelpLink + RuleId.TiedShape + ".md");

    /// <summary>{0} linear, {1} target.</summary>
    public static readonly DiagnosticDescriptor TiedTarget = new(
        RuleId.TiedTarget,
        "Shared matrix is not an embedding",
        "'{0}' cannot share the matrix of '{1}', which is not an embedding of this class",
        WidthsCategory,
        DiagnosticSeverity.Error,
        isEnabledByDefault: true,
        helpLinkUri: HelpLink + RuleId.TiedTarget + ".md");

    /// <summary>{0} block, {1} and {2} widths.</summary>
    public static readonly DiagnosticDescriptor ResultWidth = new(
        RuleId.ResultWidth,
        "Block does not give back its width",
        "A repeated block must give back the width it takes, but '{0}' takes {1} and gives {2}",
        WidthsCategory,
        DiagnosticSeverity.Error,
        isEnabledByDefault: true,
        helpLinkUri: HelpLink + RuleId.ResultWidth + ".md");
}
