using Generated.Generators.Graph;
using Microsoft.CodeAnalysis;

namespace Generated.Generators.Diagnostics;

/// <summary>GEN05xx: configs, presets and how declarations refer to each other.</summary>
internal static partial class Rules
{
    private const string ConfigCategory = "Generated.Config";

    /// <summary>{0} name, {1} type, {2} empty or a suggestion.</summary>
    public static readonly DiagnosticDescriptor UnknownMember = new(
        RuleId.UnknownMember,
        "Name is not a member",
        "'{0}' is not a member of '{1}'{2}",
        ConfigCategory,
        DiagnosticSeverity.Error,
        isEnabledByDefault: true,
        helpLinkUri: HelpLink + RuleId.UnknownMember + ".md");

    /// <summary>{0} member, {1} type, {2} use in words.</summary>
    public static readonly DiagnosticDescriptor MemberType = new(
        RuleId.MemberType,
        "Member has the wrong type",
        "'{0}' must be {1} to be used as {2}",
        ConfigCategory,
        DiagnosticSeverity.Error,
        isEnabledByDefault: true,
        helpLinkUri: HelpLink + RuleId.MemberType + ".md");

    /// <summary>{0} type, {1} for example "must be a record".</summary>
    public static readonly DiagnosticDescriptor ConfigShape = new(
        RuleId.ConfigShape,
        "Config cannot be declared this way",
        "Config '{0}' {1}",
        ConfigCategory,
        DiagnosticSeverity.Error,
        isEnabledByDefault: true,
        helpLinkUri: HelpLink + RuleId.ConfigShape + ".md");

    public static readonly DiagnosticDescriptor PropertyWithoutKey = new(
        RuleId.PropertyWithoutKey,
        "Config property is not read from config.json",
        "'{0}' can be set, but no [Key] says where config.json has it",
        ConfigCategory,
        DiagnosticSeverity.Error,
        isEnabledByDefault: true,
        helpLinkUri: HelpLink + RuleId.PropertyWithoutKey + ".md");

    /// <summary>{0} property, {1} type.</summary>
    public static readonly DiagnosticDescriptor PropertyType = new(
        RuleId.PropertyType,
        "Config property has an unsupported type",
        "'{0}' has type '{1}', which config.json cannot give: use int, double, bool, string, int[] or RopeScaling",
        ConfigCategory,
        DiagnosticSeverity.Error,
        isEnabledByDefault: true,
        helpLinkUri: HelpLink + RuleId.PropertyType + ".md");

    /// <summary>{0} model type, {1} class.</summary>
    public static readonly DiagnosticDescriptor DuplicateModelType = new(
        RuleId.DuplicateModelType,
        "model_type is declared twice",
        "model_type '{0}' is already declared by '{1}'",
        ConfigCategory,
        DiagnosticSeverity.Error,
        isEnabledByDefault: true,
        helpLinkUri: HelpLink + RuleId.DuplicateModelType + ".md");

    /// <summary>{0} preset, {1} config type.</summary>
    public static readonly DiagnosticDescriptor PresetShape = new(
        RuleId.PresetShape,
        "Preset cannot be declared this way",
        "Preset '{0}' must be a public static property of type '{1}' that returns an object initializer",
        ConfigCategory,
        DiagnosticSeverity.Error,
        isEnabledByDefault: true,
        helpLinkUri: HelpLink + RuleId.PresetShape + ".md");

    /// <summary>{0} part, {1} widths in words, {2} number.</summary>
    public static readonly DiagnosticDescriptor WidthCount = new(
        RuleId.WidthCount,
        "Part is given the wrong number of widths",
        "Part '{0}' takes {1}, but is given {2}",
        ConfigCategory,
        DiagnosticSeverity.Error,
        isEnabledByDefault: true,
        helpLinkUri: HelpLink + RuleId.WidthCount + ".md");

    /// <summary>{0} used class, {1} its config, {2} using class, {3} its config.</summary>
    public static readonly DiagnosticDescriptor ConfigMismatch = new(
        RuleId.ConfigMismatch,
        "Config is of another type",
        "'{0}' takes '{1}', but '{2}' has '{3}'",
        ConfigCategory,
        DiagnosticSeverity.Error,
        isEnabledByDefault: true,
        helpLinkUri: HelpLink + RuleId.ConfigMismatch + ".md");

    /// <summary>{0} type, {1} Block or Part.</summary>
    public static readonly DiagnosticDescriptor NotDeclared = new(
        RuleId.NotDeclared,
        "Type is not declared in the language",
        "'{0}' cannot be used here: it is not declared with [{1}]",
        ConfigCategory,
        DiagnosticSeverity.Error,
        isEnabledByDefault: true,
        helpLinkUri: HelpLink + RuleId.NotDeclared + ".md");

    public static readonly DiagnosticDescriptor Recursion = new(
        RuleId.Recursion,
        "Declaration contains itself",
        "'{0}' contains itself",
        ConfigCategory,
        DiagnosticSeverity.Error,
        isEnabledByDefault: true,
        helpLinkUri: HelpLink + RuleId.Recursion + ".md");

    /// <summary>{0} type, {1} assembly.</summary>
    public static readonly DiagnosticDescriptor UnreadableDeclaration = new(
        RuleId.UnreadableDeclaration,
        "Declaration in another assembly cannot be read",
        "'{0}' comes from '{1}', which carries no declaration this compiler can read; rebuild it with the same version of Generated",
        ConfigCategory,
        DiagnosticSeverity.Error,
        isEnabledByDefault: true,
        helpLinkUri: HelpLink + RuleId.UnreadableDeclaration + ".md");

    /// <summary>{0} key, {1} property.</summary>
    public static readonly DiagnosticDescriptor DuplicateKey = new(
        RuleId.DuplicateKey,
        "Key is read twice",
        "Key '{0}' is already read by '{1}'",
        ConfigCategory,
        DiagnosticSeverity.Error,
        isEnabledByDefault: true,
        helpLinkUri: HelpLink + RuleId.DuplicateKey + ".md");

    /// <summary>{0} preset, {1} member.</summary>
    public static readonly DiagnosticDescriptor DuplicatePreset = new(
        RuleId.DuplicatePreset,
        "Preset name is used twice",
        "Preset '{0}' is already declared by '{1}'",
        ConfigCategory,
        DiagnosticSeverity.Error,
        isEnabledByDefault: true,
        helpLinkUri: HelpLink + RuleId.DuplicatePreset + ".md");

    /// <summary>{0} preset, {1} member.</summary>
    public static readonly DiagnosticDescriptor PresetValue = new(
        RuleId.PresetValue,
        "Preset value is not a constant",
        "Preset '{0}': '{1}' is not a constant the compiler knows, so nothing that depends on it is checked",
        ConfigCategory,
        DiagnosticSeverity.Warning,
        isEnabledByDefault: true,
        helpLinkUri: HelpLink + RuleId.PresetValue + ".md");

    /// <summary>{0} scheme, {1} model, {2} for example "is abstract".</summary>
    public static readonly DiagnosticDescriptor InputScheme = new(
        RuleId.InputScheme,
        "Input scheme cannot be created",
        "'{0}' cannot be the input scheme of '{1}': it {2}",
        ConfigCategory,
        DiagnosticSeverity.Error,
        isEnabledByDefault: true,
        helpLinkUri: HelpLink + RuleId.InputScheme + ".md");
}
