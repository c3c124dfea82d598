using Generated.Generators.Graph;
using Microsoft.CodeAnalysis;

namespace Generated.Generators.Parsing;

/// <summary>Checks the form of checkpoint names: a block's prefix carries <c>{i}</c> once, no other name has braces.</summary>
internal sealed class CheckpointNames(Reporter report)
{
    private const string Index = "{i}";

    /// <summary>Gives a layer's or part's name back, after reporting what is wrong with it.</summary>
    public string? Check(string? name, Location? where, bool isEmptyFine)
    {
        if (name is null) return null;
        if (Fault(name, isEmptyFine) is { } fault) report.Report(RuleId.NameTemplate, where, name, fault);
        else if (name.Contains('{') || name.Contains('}'))
            report.Report(RuleId.NameTemplate, where, name, "must not contain braces: only a block's prefix has {i}");
        return name;
    }

    /// <summary>Gives a block's prefix back, after reporting what is wrong with it.</summary>
    public string? CheckPrefix(string? prefix, Location? where)
    {
        if (prefix is null) return null;
        var first = prefix.IndexOf(Index, StringComparison.Ordinal);
        var rest = first < 0 ? prefix : prefix.Remove(first, Index.Length);
        if (first < 0 || rest.Contains('{') || rest.Contains('}'))
            report.Report(RuleId.NameTemplate, where, prefix, "must contain {i}, the block's index, exactly once");
        else if (Fault(prefix, isEmptyFine: false) is { } fault)
            report.Report(RuleId.NameTemplate, where, prefix, fault);
        return prefix;
    }

    private static string? Fault(string name, bool isEmptyFine) =>
        name.Length == 0 ? (isEmptyFine ? null : "must not be empty")
        : name.StartsWith(".", StringComparison.Ordinal) || name.EndsWith(".", StringComparison.Ordinal) || name.Contains("..") ? "has an empty component"
        : name.Any(char.IsWhiteSpace) ? "must not contain spaces"
        : name.EndsWith(".weight", StringComparison.Ordinal) || name.EndsWith(".bias", StringComparison.Ordinal) ? "must not end in .weight or .bias: the layer adds them"
        : null;
}
