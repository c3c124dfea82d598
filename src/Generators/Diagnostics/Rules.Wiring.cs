using Generated.Generators.Graph;
using Microsoft.CodeAnalysis;

namespace Generated.Generators.Diagnostics;

/// <summary>GEN01xx: the wiring of a class.</summary>
internal static partial class Rules
{
    private const string WiringCategory = "Generated.Wiring";

    /// <summary>{0} the statement in words, for example "An if statement".</summary>
    public static readonly DiagnosticDescriptor Statement = new(
        RuleId.Statement,
        "Statement is not part of the wiring language",
        "{0} cannot stand in a wiring, which is local values and one return",
        WiringCategory,
        DiagnosticSeverity.Error,
        isEnabledByDefault: true,
        helpLinkUri: HelpLink + RuleId.Statement + ".md");

    public static readonly DiagnosticDescriptor Call = new(
        RuleId.Call,
        "Call is not part of the wiring language",
        "'{0}' cannot be called in a wiring: call a layer, a private helper of this class, or an operation of Ops",
        WiringCategory,
        DiagnosticSeverity.Error,
        isEnabledByDefault: true,
        helpLinkUri: HelpLink + RuleId.Call + ".md");

    /// <summary>{0} the expression in words.</summary>
    public static readonly DiagnosticDescriptor Expression = new(
        RuleId.Expression,
        "Expression is not part of the wiring language",
        "{0} is not part of the wiring language: flows are made by layers, helpers, Ops, '+' and '*'",
        WiringCategory,
        DiagnosticSeverity.Error,
        isEnabledByDefault: true,
        helpLinkUri: HelpLink + RuleId.Expression + ".md");

    public static readonly DiagnosticDescriptor Reassignment = new(
        RuleId.Reassignment,
        "Value is assigned again",
        "'{0}' is assigned again; give each value a name of its own",
        WiringCategory,
        DiagnosticSeverity.Error,
        isEnabledByDefault: true,
        helpLinkUri: HelpLink + RuleId.Reassignment + ".md");

    /// <summary>{0} layer, {1} wiring.</summary>
    public static readonly DiagnosticDescriptor LayerUsedTwice = new(
        RuleId.LayerUsedTwice,
        "Layer is used twice",
        "Layer '{0}' is called more than once in '{1}'; layers with weights or a cache have one place",
        WiringCategory,
        DiagnosticSeverity.Error,
        isEnabledByDefault: true,
        helpLinkUri: HelpLink + RuleId.LayerUsedTwice + ".md");

    public static readonly DiagnosticDescriptor LayerUnused = new(
        RuleId.LayerUnused,
        "Layer is never used",
        "Layer '{0}' is declared and never called; its weights would be loaded for nothing",
        WiringCategory,
        DiagnosticSeverity.Warning,
        isEnabledByDefault: true,
        helpLinkUri: HelpLink + RuleId.LayerUnused + ".md");

    public static readonly DiagnosticDescriptor HelperRecursion = new(
        RuleId.HelperRecursion,
        "Helper calls itself",
        "Helper '{0}' calls itself; a wiring is finite",
        WiringCategory,
        DiagnosticSeverity.Error,
        isEnabledByDefault: true,
        helpLinkUri: HelpLink + RuleId.HelperRecursion + ".md");

    public static readonly DiagnosticDescriptor ValueUnused = new(
        RuleId.ValueUnused,
        "Value is never used",
        "'{0}' is computed and never used",
        WiringCategory,
        DiagnosticSeverity.Error,
        isEnabledByDefault: true,
        helpLinkUri: HelpLink + RuleId.ValueUnused + ".md");

    public static readonly DiagnosticDescriptor Factor = new(
        RuleId.Factor,
        "Factor is not known to the class",
        "The factor '{0}' must be made of constants and members of the class or its config",
        WiringCategory,
        DiagnosticSeverity.Error,
        isEnabledByDefault: true,
        helpLinkUri: HelpLink + RuleId.Factor + ".md");

    public static readonly DiagnosticDescriptor Capture = new(
        RuleId.Capture,
        "Wiring uses outside state",
        "'{0}' is a flow from outside the wiring; only the parameter and local values can be used",
        WiringCategory,
        DiagnosticSeverity.Error,
        isEnabledByDefault: true,
        helpLinkUri: HelpLink + RuleId.Capture + ".md");
}
