using Generated.Generators.Graph;

namespace Generated.Generators.Analysis;

/// <summary>How a fused flow is cut.</summary>
internal static class Sections
{
    /// <summary>The width of each section over the whole flow: in a grouped layout, that of a group times the groups.</summary>
    public static EquatableArray<Dim> Widths(SectionsSpec sections) =>
        sections.Widths.Select(w => sections.Groups is null ? w.Value : w.Value * sections.Groups.Value).ToEquatableArray();

    /// <summary>
    /// The linear whose output a value is, seen through elementwise operators that keep features where they are; null where
    /// something else comes between.
    /// </summary>
    public static FlatNode? Origin(FlatBody body, int value)
    {
        var node = body.Nodes[value];
        while (true)
        {
            if (node.Linear is not null) return node;
            if (node.Op is not (NodeOp.Scale or NodeOp.Silu or NodeOp.Gelu or NodeOp.GeluTanh or NodeOp.Relu)) return null;
            node = body.Nodes[node.Inputs[0]];
        }
    }
}
