using System.Globalization;

namespace Generated.Quant.Recipes.Rules;

/// <summary>
/// A rule of recipes: the compiler reports it at the attribute, loading in the exception or the report, both in these words. Ids from
/// GEN0701 to GEN0702 are about the declaration itself and live in the compiler.
/// </summary>
internal sealed record RecipeRule(string Id, FindingSeverity Severity, string Format)
{
    /// <summary>{0} path or pattern, {1} model, {2} the nearest, or a list.</summary>
    public static readonly RecipeRule UnknownLayer = new(RecipeRuleId.UnknownLayer, FindingSeverity.Error, RecipeMessages.UnknownLayer);

    public static readonly RecipeRule NothingLeft = new(RecipeRuleId.NothingLeft, FindingSeverity.Error, RecipeMessages.NothingLeft);

    public static readonly RecipeRule SaidTwice = new(RecipeRuleId.SaidTwice, FindingSeverity.Error, RecipeMessages.SaidTwice);

    public static readonly RecipeRule Ambiguous = new(RecipeRuleId.Ambiguous, FindingSeverity.Error, RecipeMessages.Ambiguous);

    public static readonly RecipeRule InvalidValue = new(RecipeRuleId.InvalidValue, FindingSeverity.Error, RecipeMessages.InvalidValue);

    public static readonly RecipeRule Exclusive = new(RecipeRuleId.Exclusive, FindingSeverity.Error, RecipeMessages.Exclusive);

    public static readonly RecipeRule Missing = new(RecipeRuleId.Missing, FindingSeverity.Error, RecipeMessages.Missing);

    public static readonly RecipeRule NoEffect = new(RecipeRuleId.NoEffect, FindingSeverity.Warning, RecipeMessages.NoEffect);

    public static readonly RecipeRule Fold = new(RecipeRuleId.Fold, FindingSeverity.Error, RecipeMessages.Fold);

    public static readonly RecipeRule SwitchedFold = new(RecipeRuleId.SwitchedFold, FindingSeverity.Info, RecipeMessages.SwitchedFold);

    public static readonly RecipeRule NotFolded = new(RecipeRuleId.NotFolded, FindingSeverity.Info, RecipeMessages.NotFolded);

    public static readonly RecipeRule InsertedBias = new(RecipeRuleId.InsertedBias, FindingSeverity.Info, RecipeMessages.InsertedBias);

    public static readonly RecipeRule InsertedOperation = new(RecipeRuleId.InsertedOperation, FindingSeverity.Info, RecipeMessages.InsertedOperation);

    public static readonly RecipeRule NothingMoves = new(RecipeRuleId.NothingMoves, FindingSeverity.Warning, RecipeMessages.NothingMoves);

    public static readonly RecipeRule ShortGroup = new(RecipeRuleId.ShortGroup, FindingSeverity.Warning, RecipeMessages.ShortGroup);

    public static readonly RecipeRule GroupCrossesRanks = new(RecipeRuleId.GroupCrossesRanks, FindingSeverity.Error, RecipeMessages.GroupCrossesRanks);

    public static readonly RecipeRule Degree = new(RecipeRuleId.Degree, FindingSeverity.Error, RecipeMessages.Degree);

    public static readonly RecipeRule NoCache = new(RecipeRuleId.NoCache, FindingSeverity.Error, RecipeMessages.NoCache);

    public static readonly RecipeRule Kernel = new(RecipeRuleId.Kernel, FindingSeverity.Info, RecipeMessages.Kernel);

    public RecipeFinding At(string place, params object[] arguments) =>
        new(Id, Severity, string.Format(CultureInfo.InvariantCulture, Format, arguments), place)
        {
            Arguments = arguments.Select(RecipeOption.Text).ToContentList(),
        };
}

/// <summary>Ids of the rules of recipes.</summary>
internal static class RecipeRuleId
{
    public const string UnknownLayer = "GEN0703";
    public const string NothingLeft = "GEN0704";
    public const string SaidTwice = "GEN0705";
    public const string InvalidValue = "GEN0706";
    public const string Exclusive = "GEN0707";
    public const string Missing = "GEN0708";
    public const string NoEffect = "GEN0709";
    public const string Fold = "GEN0710";
    public const string SwitchedFold = "GEN0711";
    public const string InsertedBias = "GEN0712";
    public const string InsertedOperation = "GEN0713";
    public const string NothingMoves = "GEN0714";
    public const string ShortGroup = "GEN0715";
    public const string GroupCrossesRanks = "GEN0716";
    public const string Degree = "GEN0717";
    public const string NoCache = "GEN0718";
    public const string Kernel = "GEN0719";
    public const string Ambiguous = "GEN0720";
    public const string NotFolded = "GEN0721";
}

/// <summary>Their messages.</summary>
internal static class RecipeMessages
{
    /// <summary>{0} path or pattern, {1} model, {2} what was probably meant, or what there is.</summary>
    public const string UnknownLayer = "No linear of {1} is named '{0}'{2}";

    /// <summary>{0} model.</summary>
    public const string NothingLeft = "Every linear of {0} is kept, so the recipe quantizes none";

    /// <summary>{0} path or pattern, {1} and {2} where.</summary>
    public const string SaidTwice = "'{0}' is named by {1} and again by {2}";

    /// <summary>{0} what was written, {1} linears.</summary>
    public const string Ambiguous = "'{0}' may be {1}; write the whole path, or a pattern for all of them";

    /// <summary>{0} option, {1} value, {2} allowed values.</summary>
    public const string InvalidValue = "{0} is {1}; it must be {2}";

    /// <summary>{0} and {1} methods, {2} why.</summary>
    public const string Exclusive = "{0} and {1} exclude each other: {2}";

    /// <summary>{0} method, {1} what it needs, {2} why.</summary>
    public const string Missing = "{0} needs {1}: {2}";

    /// <summary>{0} option, {1} why.</summary>
    public const string NoEffect = "{0} has no effect: {1}";

    /// <summary>{0} method, {1} norm, {2} linears, {3} reason.</summary>
    public const string Fold = "{0} cannot fold '{1}' into {2}, because {3}; keep these linears, or set AllLinears, which puts an operation in front of them";

    /// <summary>{4} the switch; the rest as <see cref="Fold"/>.</summary>
    public const string SwitchedFold = "Where {4}, " + Fold;

    /// <inheritdoc cref="Fold"/>
    public const string NotFolded = "{0} leaves out '{1}' and {2}, because {3}";

    /// <summary>{0} norm, {1} linears.</summary>
    public const string InsertedBias = "Shift inserts a bias into '{0}', which has none, and takes it back in the biases of {1}";

    /// <summary>{0} method, {1} what the operation does, {2} linears.</summary>
    public const string InsertedOperation = "{0} inserts an operation that {1} in front of {2}, behind no norm or linear that could take it";

    /// <summary>{0} method, {1} model.</summary>
    public const string NothingMoves = "{0} moves nothing: no linear of {1} that is quantized is behind a norm or linear that could take it";

    /// <summary>{0} group size, {1} size of the last group, {2} width, {3} linear, {4} size of the model.</summary>
    public const string ShortGroup = "Groups of {0} leave a last group of {1} in the {2} inputs of {3} ({4})";

    /// <summary>{0} group size, {1} degree, {2} inputs of a rank, {3} linear, {4} size of the model.</summary>
    public const string GroupCrossesRanks = "Groups of {0} cross ranks: at tensor-parallel degree {1} a rank has {2} inputs of {3} ({4})";

    /// <summary>{0} degree, {1} width, {2} linear, {3} size of the model.</summary>
    public const string Degree = "Tensor-parallel degree {0} does not divide the {1} inputs of {2} ({3})";

    /// <summary>{0} model.</summary>
    public const string NoCache = "KvCache has nothing to quantize: {0} has no attention, and so no cache";

    /// <summary>{0} format, {1} what is done instead.</summary>
    public const string Kernel = "There is no kernel for {0}: {1}";
}
