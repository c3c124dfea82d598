using Generated.Generators.Graph;

namespace Generated.Generators.Analysis;

/// <summary>A reader of a value, and the C# condition under which it reads it (null = always).</summary>
internal sealed record Use(FlatNode Node, string? When);

/// <summary>Who reads a value once layers that the config leaves out pass it on.</summary>
internal static class Uses
{
    public static IEnumerable<Use> Of(FlatBody body, int value, string? when = null)
    {
        foreach (var node in body.Consumers(value))
        {
            if (node.Layer?.Spec.When is not { } present)
            {
                yield return new Use(node, when);
                continue;
            }

            yield return new Use(node, And(when, present));
            foreach (var beyond in Of(body, node.Id, And(when, Not(present)))) yield return beyond;
        }
    }

    /// <summary>The conditions under which a value is the wiring's result.</summary>
    public static IEnumerable<string?> AsOutput(FlatBody body, int value, string? when = null)
    {
        if (value == body.Output) yield return when;
        foreach (var node in body.Consumers(value))
            if (node.Layer?.Spec.When is { } present)
                foreach (var condition in AsOutput(body, node.Id, And(when, Not(present)))) yield return condition;
    }

    public static string? And(string? left, string? right) =>
        left is null ? right : right is null || left == right ? left : $"{left} && {right}";

    public static string Not(string condition) =>
        condition.StartsWith("!", StringComparison.Ordinal) ? condition.Substring(1) : $"!{condition}";
}
