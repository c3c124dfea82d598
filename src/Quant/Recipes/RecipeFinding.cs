using Generated.Quant.Recipes.Rules;

namespace Generated.Quant.Recipes;

/// <summary>How bad a finding is.</summary>
public enum FindingSeverity
{
    /// <summary>Worth knowing.</summary>
    Info,

    /// <summary>Probably not meant.</summary>
    Warning,

    /// <summary>The recipe cannot be carried out.</summary>
    Error,
}

/// <summary>What a check found in a recipe.</summary>
/// <param name="Rule">Id of the rule, <c>GEN07xx</c>; docs/rules has a page for each.</param>
/// <param name="Severity">How bad it is.</param>
/// <param name="Message">One sentence.</param>
/// <param name="Place">Part of the recipe: <c>Smooth</c>, <c>Weights.GroupSize</c>, <c>Keep:0</c>.</param>
public sealed record RecipeFinding(string Rule, FindingSeverity Severity, string Message, string Place)
{
    /// <summary>What fills the rule's message.</summary>
    internal ContentList<string> Arguments { get; init; } = ContentList<string>.Empty;
}
