using Generated.Generators.Graph;

namespace Generators.Tests;

/// <summary>Graphs as short text, for assertions that read like the wiring.</summary>
internal static class Shown
{
    /// <summary>One line per node: <c>3 Q(2)</c>, <c>12 h = Add(0, 11)</c>.</summary>
    public static string Text(this BodySpec body) => string.Join("\n", body.Nodes.Select(Line)) + $"\nreturn {body.Output}";

    private static string Line(NodeSpec node)
    {
        var operation = node.Layer ?? node.Op.ToString();
        var inputs = string.Join(", ", node.Inputs);
        var extra = node.Op switch { NodeOp.Scale => $" by {node.Factor}", NodeOp.Section => $" part {node.Section}", _ => "" };
        var name = node.Name is null ? "" : $"{node.Name} = ";
        return $"{node.Id} {name}{operation}({inputs}){extra}";
    }
}
