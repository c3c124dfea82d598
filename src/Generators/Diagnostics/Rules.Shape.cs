using Generated.Generators.Graph;
using Microsoft.CodeAnalysis;

namespace Generated.Generators.Diagnostics;

/// <summary>GEN00xx: the shape of an attributed class.</summary>
internal static partial class Rules
{
    private const string ShapeCategory = "Generated.Shape";

    public static readonly DiagnosticDescriptor NotPartial = new(
        RuleId.NotPartial,
        "Class is not partial",
        "'{0}' must be declared partial, so that the compiler can add its passes",
        ShapeCategory,
        DiagnosticSeverity.Error,
        isEnabledByDefault: true,
        helpLinkUri: HelpLink + RuleId.NotPartial + ".md");

    /// <summary>{0} class, {1} the expected signature.</summary>
    public static readonly DiagnosticDescriptor ForwardMissing = new(
        RuleId.ForwardMissing,
        "Wiring is missing",
        "'{0}' states no wiring: add '{1}'",
        ShapeCategory,
        DiagnosticSeverity.Error,
        isEnabledByDefault: true,
        helpLinkUri: HelpLink + RuleId.ForwardMissing + ".md");

    public static readonly DiagnosticDescriptor ForwardDuplicate = new(
        RuleId.ForwardDuplicate,
        "Wiring is stated twice",
        "'{0}' states more than one Forward; a second wiring is a method with [ForwardWhen]",
        ShapeCategory,
        DiagnosticSeverity.Error,
        isEnabledByDefault: true,
        helpLinkUri: HelpLink + RuleId.ForwardDuplicate + ".md");

    /// <summary>{0} method, {1} the expected signature.</summary>
    public static readonly DiagnosticDescriptor ForwardShape = new(
        RuleId.ForwardShape,
        "Wiring has the wrong signature",
        "'{0}' must be declared as '{1}'",
        ShapeCategory,
        DiagnosticSeverity.Error,
        isEnabledByDefault: true,
        helpLinkUri: HelpLink + RuleId.ForwardShape + ".md");

    /// <summary>{0} class, {1} for example "must not be generic".</summary>
    public static readonly DiagnosticDescriptor ClassShape = new(
        RuleId.ClassShape,
        "Class cannot be declared this way",
        "'{0}' {1}",
        ShapeCategory,
        DiagnosticSeverity.Error,
        isEnabledByDefault: true,
        helpLinkUri: HelpLink + RuleId.ClassShape + ".md");

    public static readonly DiagnosticDescriptor SeveralFiles = new(
        RuleId.SeveralFiles,
        "Declaration is spread over several places",
        "'{0}' declares layers in more than one partial declaration; their order matters, so keep them in one",
        ShapeCategory,
        DiagnosticSeverity.Error,
        isEnabledByDefault: true,
        helpLinkUri: HelpLink + RuleId.SeveralFiles + ".md");

    /// <summary>{0} layer, {1} the expected signature.</summary>
    public static readonly DiagnosticDescriptor LayerShape = new(
        RuleId.LayerShape,
        "Layer has the wrong signature",
        "Layer '{0}' must be declared as '{1}'",
        ShapeCategory,
        DiagnosticSeverity.Error,
        isEnabledByDefault: true,
        helpLinkUri: HelpLink + RuleId.LayerShape + ".md");

    public static readonly DiagnosticDescriptor SeveralLayerAttributes = new(
        RuleId.SeveralLayerAttributes,
        "Method is declared as two layers",
        "'{0}' carries more than one layer attribute",
        ShapeCategory,
        DiagnosticSeverity.Error,
        isEnabledByDefault: true,
        helpLinkUri: HelpLink + RuleId.SeveralLayerAttributes + ".md");

    /// <summary>{0} parameter, {1} class, {2} for example "must be a [Config] record".</summary>
    public static readonly DiagnosticDescriptor ConstructorParameter = new(
        RuleId.ConstructorParameter,
        "Constructor parameter is not a config or a width",
        "Parameter '{0}' of '{1}' {2}",
        ShapeCategory,
        DiagnosticSeverity.Error,
        isEnabledByDefault: true,
        helpLinkUri: HelpLink + RuleId.ConstructorParameter + ".md");

    /// <summary>{0} member, {1} class or config.</summary>
    public static readonly DiagnosticDescriptor NameTaken = new(
        RuleId.NameTaken,
        "Name is taken by emitted code",
        "'{0}' is the name of a member that the compiler adds to '{1}'; choose another name",
        ShapeCategory,
        DiagnosticSeverity.Error,
        isEnabledByDefault: true,
        helpLinkUri: HelpLink + RuleId.NameTaken + ".md");
}
