namespace Generated.Generators.Graph;

/// <summary>
/// A wiring with every part opened: the dataflow that a pass runs. A class has one per way its config can switch it.
/// </summary>
/// <param name="Method">Name of the method that states it, which anchors its nodes in the source.</param>
/// <param name="Suffix">Distinguishes it among the class's wirings in emitted names: the method's name, and what was left out.</param>
/// <param name="Conditions">C# conditions that together select it; none for the one that is left when no other is selected.</param>
/// <param name="Nodes">In evaluation order; <see cref="FlatNode.Id"/> is the index.</param>
/// <param name="Output">The node whose value is the result.</param>
internal sealed record FlatBody(
    string Method,
    string Suffix,
    EquatableArray<string> Conditions,
    EquatableArray<FlatNode> Nodes,
    int Output)
{
    /// <summary>The nodes that read a value, each once, in evaluation order.</summary>
    public IEnumerable<FlatNode> Consumers(int value) => Nodes.Where(n => n.Inputs.Contains(value));
}

/// <summary>One value of a flattened wiring.</summary>
/// <param name="Id">Index in the flattened body.</param>
/// <param name="Op">What computes it.</param>
/// <param name="Inputs">The values it reads, in argument order.</param>
/// <param name="Layer">The layer it calls, for <see cref="NodeOp.Layer"/>.</param>
/// <param name="Name">The local variable it was assigned to, or null.</param>
/// <param name="Factor">C# expression of a scale factor, valid in the class whose body was flattened.</param>
/// <param name="Section">Which section of a fused flow.</param>
/// <param name="Anchor">The node of the declared body it comes from: itself, or the call of the part that holds it.</param>
/// <param name="Part">Path of the part it is in, empty for the class itself.</param>
internal sealed record FlatNode(
    int Id,
    NodeOp Op,
    EquatableArray<int> Inputs,
    FlatLayer? Layer,
    string? Name,
    string? Factor,
    int Section,
    int Anchor,
    string Part = "")
{
    public LinearSpec? Linear => Layer?.Spec as LinearSpec;

    public NormSpec? Norm => Layer?.Spec as NormSpec;
}

/// <summary>A layer as seen from the class whose body was flattened.</summary>
/// <param name="Path">Path of declared members: <c>Q</c>, <c>Mlp.Gate</c>.</param>
/// <param name="Access">C# that reaches it: <c>Layers.Q</c>, <c>Layers.Mlp.Layers.Gate</c>.</param>
/// <param name="Spec">The layer in the terms of that class: widths, conditions and checkpoint names are its own.</param>
internal sealed record FlatLayer(string Path, string Access, LayerSpec Spec)
{
    public bool IsInPart => Path.Contains('.');
}
