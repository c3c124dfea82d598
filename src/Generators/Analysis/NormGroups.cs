using Generated.Generators.Graph;

namespace Generated.Generators.Analysis;

/// <summary>A linear, and the condition under which it is one of a group (null = always).</summary>
internal sealed record GroupMember(string Path, string? When);

/// <summary>Why a norm's scale cannot move into the linears behind it.</summary>
/// <param name="Consumer">What else reads the norm, in words.</param>
/// <param name="When">C# condition under which it does (null = always).</param>
/// <param name="IsShortcut">Whether it is a residual: the post-norm shortcut of ChatGLM and post-LN OPT.</param>
/// <param name="Factor">C# expression of the residual's factor, where it is scaled.</param>
/// <param name="IsInWeight">Whether it stands in a linear's own weight (a shared matrix, rows of length 1); then <paramref name="Consumer"/> is the whole reason.</param>
internal sealed record NormConflict(string Consumer, string? When, bool IsShortcut, string? Factor, bool IsInWeight = false);

/// <summary>A norm and everything that reads it. Its scale (and shift) can be folded where there is no conflict.</summary>
/// <param name="Norm">Path of the norm.</param>
/// <param name="Node">Its node in the flattened wiring.</param>
internal sealed record NormGroup(
    string Norm,
    int Node,
    bool IsRms,
    bool HasBias,
    string? When,
    EquatableArray<GroupMember> Linears,
    EquatableArray<NormConflict> Conflicts)
{
    /// <summary>Whether the scale can be folded whatever the config says.</summary>
    public bool IsFoldable => Linears.Count > 0 && Conflicts.Count == 0;
}

/// <summary>Finds, for every norm, the linears that its scale could be folded into and what stands against it.</summary>
internal static class NormGroups
{
    public static EquatableArray<NormGroup> Of(FlatBody body, ClassKind kind) =>
        body.Nodes.Where(n => n.Norm is not null).Select(n => Group(body, n, kind)).ToEquatableArray();

    /// <summary>Why a norm with linears behind it does not fold, in words.</summary>
    public static string Reason(NormConflict conflict) => conflict.IsInWeight ? conflict.Consumer : $"it also feeds {conflict.Consumer}";

    private static NormGroup Group(FlatBody body, FlatNode node, ClassKind kind)
    {
        var norm = node.Norm!;
        var linears = new List<GroupMember>();
        var conflicts = new List<NormConflict>();
        foreach (var use in Uses.Of(body, node.Id))
        {
            if (use.Node.Linear is not { } linear)
            {
                conflicts.Add(Conflict(body, use));
                continue;
            }

            linears.Add(new GroupMember(use.Node.Layer!.Path, use.When));
            if (linear.TiedTo is not null)
                conflicts.Add(new NormConflict($"'{linear.Member}' shares its matrix with '{linear.TiedTo}'", Uses.And(use.When, linear.TiedWhen), false, null, IsInWeight: true));
            if (linear.UnitRowsWhen is not null)
                conflicts.Add(new NormConflict($"'{linear.Member}' divides its rows by their length", Uses.And(use.When, linear.UnitRowsWhen), false, null, IsInWeight: true));
        }

        foreach (var when in Uses.AsOutput(body, node.Id))
            conflicts.Add(new NormConflict($"the result of the {Word(kind)}", when, false, null));
        return new NormGroup(
            node.Layer!.Path, node.Id, norm.IsRms, norm.Bias, norm.When, linears.ToEquatableArray(), conflicts.Distinct().ToEquatableArray());
    }

    private static NormConflict Conflict(FlatBody body, Use use)
    {
        var node = use.Node;
        var isShortcut = node.Op == NodeOp.Add || (node.Op == NodeOp.Scale && body.Consumers(node.Id).Any(c => c.Op == NodeOp.Add));
        var consumer = node.Op switch
        {
            NodeOp.Add => "the residual",
            NodeOp.Scale when isShortcut => $"the residual scaled by {node.Factor}",
            NodeOp.Scale => $"a product with {node.Factor}",
            NodeOp.Multiply => "a product of flows",
            NodeOp.Layer => $"'{node.Layer!.Path}'",
            NodeOp.Section => "a section",
            _ => $"the activation {node.Op}",
        };
        return new NormConflict(consumer, use.When, isShortcut, node.Op == NodeOp.Scale ? node.Factor : null);
    }

    private static string Word(ClassKind kind) => kind switch
    {
        ClassKind.Block => "block",
        ClassKind.Part => "part",
        _ => "model",
    };
}
