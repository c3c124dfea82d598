using Generated.Generators.Graph;
using Microsoft.CodeAnalysis;

namespace Generated.Generators.Diagnostics;

/// <summary>GEN04xx: checkpoint names.</summary>
internal static partial class Rules
{
    private const string NamesCategory = "Generated.Names";

    /// <summary>{0} name, {1} and {2} layers.</summary>
    public static readonly DiagnosticDescriptor DuplicateName = new(
        RuleId.DuplicateName,
        "Checkpoint name is used twice",
        "Checkpoint name '{0}' of '{1}' is already that of '{2}'",
        NamesCategory,
        DiagnosticSeverity.Error,
        isEnabledByDefault: true,
        helpLinkUri: HelpLink + RuleId.DuplicateName + ".md");

    /// <summary>{0} name, {1} for example "must contain {i} exactly once".</summary>
    public static readonly DiagnosticDescriptor NameTemplate = new(
        RuleId.NameTemplate,
        "Checkpoint name is malformed",
        "Checkpoint name '{0}' {1}",
        NamesCategory,
        DiagnosticSeverity.Error,
        isEnabledByDefault: true,
        helpLinkUri: HelpLink + RuleId.NameTemplate + ".md");
}
