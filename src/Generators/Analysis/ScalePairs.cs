using Generated.Generators.Graph;

namespace Generated.Generators.Analysis;

internal enum ScalePairKind
{
    /// <summary>Values to the attention's output projection.</summary>
    Value,

    /// <summary>An MLP's up projection to its down projection.</summary>
    Up,
}

/// <summary>
/// Two linears between which a scale per channel can move without changing the function: divide the first's output rows,
/// multiply the second's input columns.
/// </summary>
/// <param name="Source">Path of the linear whose output is scaled.</param>
/// <param name="Cut">Path of the sections layer where only a section of that output is meant, or null.</param>
/// <param name="Section">Which section.</param>
/// <param name="Targets">Paths of the linears that take the inverse scale.</param>
/// <param name="Attention">The attention in between, whose query heads repeat the values of their group; or null.</param>
internal sealed record ScalePair(
    ScalePairKind Kind, string Source, string? Cut, int Section, EquatableArray<string> Targets, AttentionSpec? Attention);

/// <summary>Follows every linear's output through operators that a positive scale per channel passes through unchanged.</summary>
internal static class ScalePairs
{
    public static EquatableArray<ScalePair> Of(FlatBody body)
    {
        var pairs = new List<ScalePair>();
        foreach (var node in body.Nodes)
        {
            if (node.Linear is not { } linear || linear.TiedTo is not null || linear.When is not null) continue;
            var cut = body.Consumers(node.Id).ToList();
            if (cut.Count == 1 && cut[0].Layer?.Spec is SectionsSpec)
            {
                foreach (var section in body.Consumers(cut[0].Id))
                    if (Follow(body, section.Id, null) is { } end)
                        pairs.Add(Pair(node, cut[0].Layer!.Path, section.Section, end));
            }
            else if (Follow(body, node.Id, null) is { } end)
            {
                pairs.Add(Pair(node, null, 0, end));
            }
        }

        return pairs.ToEquatableArray();
    }

    private sealed record End(EquatableArray<string> Targets, AttentionSpec? Attention, bool IsDirect);

    private static ScalePair Pair(FlatNode source, string? cut, int section, End end) => new(
        end.Attention is null ? ScalePairKind.Up : ScalePairKind.Value, source.Layer!.Path, cut, section, end.Targets, end.Attention);

    /// <summary>Where the scale of a value arrives, if on every way it arrives at linears; a value with other readers has no end.</summary>
    private static End? Follow(FlatBody body, int value, AttentionSpec? attention)
    {
        if (value == body.Output) return null;
        var consumers = body.Consumers(value).ToList();
        if (consumers.Count > 0 && consumers.All(c => c.Linear is { When: null, TiedTo: null }))
            return new End(consumers.Select(c => c.Layer!.Path).ToEquatableArray(), attention, true);
        if (consumers.Count != 1) return null;

        var next = consumers[0];
        switch (next.Op)
        {
            case NodeOp.Scale or NodeOp.Relu:
                return Follow(body, next.Id, attention);
            case NodeOp.Multiply when next.Inputs[0] != next.Inputs[1]: // linear in each operand
                return Follow(body, next.Id, attention);
            case NodeOp.Layer when next.Layer!.Spec is AttentionSpec { When: null } through
                    && next.Inputs[2] == value && next.Inputs[0] != value && next.Inputs[1] != value && attention is null:
                return Follow(body, next.Id, through); // softmax weights mix positions, never channels
            default:
                return null;
        }
    }
}
