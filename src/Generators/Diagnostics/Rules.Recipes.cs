using Generated.Generators.Graph;
using Generated.Quant.Recipes.Rules;
using Microsoft.CodeAnalysis;

namespace Generated.Generators.Diagnostics;

/// <summary>GEN07xx: quantization recipes. Their messages are those that loading has, in <see cref="RecipeMessages"/>.</summary>
internal static partial class Rules
{
    private const string RecipeCategory = "Generated.Recipes";

    /// <summary>{0} class, {1} what it must be.</summary>
    public static readonly DiagnosticDescriptor RecipeShape = new(
        RuleId.RecipeShape,
        "Recipe cannot be declared this way",
        "'{0}' must be {1}",
        RecipeCategory,
        DiagnosticSeverity.Error,
        isEnabledByDefault: true,
        helpLinkUri: HelpLink + RuleId.RecipeShape + ".md");

    /// <summary>{0} type.</summary>
    public static readonly DiagnosticDescriptor NotAnArchitecture = new(
        RuleId.NotAnArchitecture,
        "Recipe is for no architecture",
        "'{0}' is no architecture: a recipe is for a class with [Model]",
        RecipeCategory,
        DiagnosticSeverity.Error,
        isEnabledByDefault: true,
        helpLinkUri: HelpLink + RuleId.NotAnArchitecture + ".md");

    /// <inheritdoc cref="RecipeMessages.UnknownLayer"/>
    public static readonly DiagnosticDescriptor UnknownLayer = new(
        RecipeRuleId.UnknownLayer,
        "Recipe names a linear that does not exist",
        RecipeMessages.UnknownLayer,
        RecipeCategory,
        DiagnosticSeverity.Error,
        isEnabledByDefault: true,
        helpLinkUri: HelpLink + RecipeRuleId.UnknownLayer + ".md");

    /// <inheritdoc cref="RecipeMessages.NothingLeft"/>
    public static readonly DiagnosticDescriptor NothingLeft = new(
        RecipeRuleId.NothingLeft,
        "Recipe keeps every linear",
        RecipeMessages.NothingLeft,
        RecipeCategory,
        DiagnosticSeverity.Error,
        isEnabledByDefault: true,
        helpLinkUri: HelpLink + RecipeRuleId.NothingLeft + ".md");

    /// <inheritdoc cref="RecipeMessages.SaidTwice"/>
    public static readonly DiagnosticDescriptor SaidTwice = new(
        RecipeRuleId.SaidTwice,
        "Linear is named twice",
        RecipeMessages.SaidTwice,
        RecipeCategory,
        DiagnosticSeverity.Error,
        isEnabledByDefault: true,
        helpLinkUri: HelpLink + RecipeRuleId.SaidTwice + ".md");

    /// <inheritdoc cref="RecipeMessages.InvalidValue"/>
    public static readonly DiagnosticDescriptor InvalidValue = new(
        RecipeRuleId.InvalidValue,
        "Option has an impossible value",
        RecipeMessages.InvalidValue,
        RecipeCategory,
        DiagnosticSeverity.Error,
        isEnabledByDefault: true,
        helpLinkUri: HelpLink + RecipeRuleId.InvalidValue + ".md");

    /// <inheritdoc cref="RecipeMessages.Exclusive"/>
    public static readonly DiagnosticDescriptor ExclusiveMethods = new(
        RecipeRuleId.Exclusive,
        "Methods exclude each other",
        RecipeMessages.Exclusive,
        RecipeCategory,
        DiagnosticSeverity.Error,
        isEnabledByDefault: true,
        helpLinkUri: HelpLink + RecipeRuleId.Exclusive + ".md");

    /// <inheritdoc cref="RecipeMessages.Missing"/>
    public static readonly DiagnosticDescriptor MissingFormat = new(
        RecipeRuleId.Missing,
        "Method has nothing to work on",
        RecipeMessages.Missing,
        RecipeCategory,
        DiagnosticSeverity.Error,
        isEnabledByDefault: true,
        helpLinkUri: HelpLink + RecipeRuleId.Missing + ".md");

    /// <inheritdoc cref="RecipeMessages.NoEffect"/>
    public static readonly DiagnosticDescriptor NoEffect = new(
        RecipeRuleId.NoEffect,
        "Option has no effect",
        RecipeMessages.NoEffect,
        RecipeCategory,
        DiagnosticSeverity.Warning,
        isEnabledByDefault: true,
        helpLinkUri: HelpLink + RecipeRuleId.NoEffect + ".md");

    /// <inheritdoc cref="RecipeMessages.Fold"/>
    public static readonly DiagnosticDescriptor Fold = new(
        RecipeRuleId.Fold,
        "Norm cannot be folded",
        RecipeMessages.Fold,
        RecipeCategory,
        DiagnosticSeverity.Error,
        isEnabledByDefault: true,
        helpLinkUri: HelpLink + RecipeRuleId.Fold + ".md");

    /// <inheritdoc cref="RecipeMessages.SwitchedFold"/>
    public static readonly DiagnosticDescriptor SwitchedFold = new(
        RecipeRuleId.SwitchedFold,
        "Config can forbid to fold a norm",
        RecipeMessages.SwitchedFold,
        RecipeCategory,
        DiagnosticSeverity.Info,
        isEnabledByDefault: true,
        helpLinkUri: HelpLink + RecipeRuleId.SwitchedFold + ".md");

    /// <inheritdoc cref="RecipeMessages.InsertedBias"/>
    public static readonly DiagnosticDescriptor InsertedBias = new(
        RecipeRuleId.InsertedBias,
        "Shift inserts a bias",
        RecipeMessages.InsertedBias,
        RecipeCategory,
        DiagnosticSeverity.Info,
        isEnabledByDefault: true,
        helpLinkUri: HelpLink + RecipeRuleId.InsertedBias + ".md");

    /// <inheritdoc cref="RecipeMessages.InsertedOperation"/>
    public static readonly DiagnosticDescriptor InsertedOperation = new(
        RecipeRuleId.InsertedOperation,
        "Operation is inserted",
        RecipeMessages.InsertedOperation,
        RecipeCategory,
        DiagnosticSeverity.Info,
        isEnabledByDefault: true,
        helpLinkUri: HelpLink + RecipeRuleId.InsertedOperation + ".md");

    /// <inheritdoc cref="RecipeMessages.NothingMoves"/>
    public static readonly DiagnosticDescriptor NothingMoves = new(
        RecipeRuleId.NothingMoves,
        "Method moves nothing",
        RecipeMessages.NothingMoves,
        RecipeCategory,
        DiagnosticSeverity.Warning,
        isEnabledByDefault: true,
        helpLinkUri: HelpLink + RecipeRuleId.NothingMoves + ".md");

    /// <inheritdoc cref="RecipeMessages.ShortGroup"/>
    public static readonly DiagnosticDescriptor ShortGroup = new(
        RecipeRuleId.ShortGroup,
        "Last group is shorter",
        RecipeMessages.ShortGroup,
        RecipeCategory,
        DiagnosticSeverity.Warning,
        isEnabledByDefault: true,
        helpLinkUri: HelpLink + RecipeRuleId.ShortGroup + ".md");

    /// <inheritdoc cref="RecipeMessages.GroupCrossesRanks"/>
    public static readonly DiagnosticDescriptor GroupCrossesRanks = new(
        RecipeRuleId.GroupCrossesRanks,
        "Group crosses ranks",
        RecipeMessages.GroupCrossesRanks,
        RecipeCategory,
        DiagnosticSeverity.Error,
        isEnabledByDefault: true,
        helpLinkUri: HelpLink + RecipeRuleId.GroupCrossesRanks + ".md");

    /// <inheritdoc cref="RecipeMessages.Degree"/>
    public static readonly DiagnosticDescriptor RecipeDegree = new(
        RecipeRuleId.Degree,
        "Degree does not divide a width",
        RecipeMessages.Degree,
        RecipeCategory,
        DiagnosticSeverity.Error,
        isEnabledByDefault: true,
        helpLinkUri: HelpLink + RecipeRuleId.Degree + ".md");

    /// <inheritdoc cref="RecipeMessages.NoCache"/>
    public static readonly DiagnosticDescriptor NoCache = new(
        RecipeRuleId.NoCache,
        "There is no cache to quantize",
        RecipeMessages.NoCache,
        RecipeCategory,
        DiagnosticSeverity.Error,
        isEnabledByDefault: true,
        helpLinkUri: HelpLink + RecipeRuleId.NoCache + ".md");

    /// <inheritdoc cref="RecipeMessages.Kernel"/>
    public static readonly DiagnosticDescriptor KernelFallback = new(
        RecipeRuleId.Kernel,
        "Format has no kernel",
        RecipeMessages.Kernel,
        RecipeCategory,
        DiagnosticSeverity.Info,
        isEnabledByDefault: true,
        helpLinkUri: HelpLink + RecipeRuleId.Kernel + ".md");

    /// <inheritdoc cref="RecipeMessages.Ambiguous"/>
    public static readonly DiagnosticDescriptor AmbiguousLayer = new(
        RecipeRuleId.Ambiguous,
        "Name may be several linears",
        RecipeMessages.Ambiguous,
        RecipeCategory,
        DiagnosticSeverity.Error,
        isEnabledByDefault: true,
        helpLinkUri: HelpLink + RecipeRuleId.Ambiguous + ".md");

    /// <inheritdoc cref="RecipeMessages.NotFolded"/>
    public static readonly DiagnosticDescriptor NotFolded = new(
        RecipeRuleId.NotFolded,
        "Norm is left out",
        RecipeMessages.NotFolded,
        RecipeCategory,
        DiagnosticSeverity.Info,
        isEnabledByDefault: true,
        helpLinkUri: HelpLink + RecipeRuleId.NotFolded + ".md");
}
