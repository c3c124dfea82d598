namespace Generated.Generators.Graph;

/// <summary>
/// One wiring, private helpers inlined: nodes in evaluation order, each reading earlier ones. Node 0 is the input.
/// Layers of parts are still one node here; <see cref="Flattening"/> opens them.
/// </summary>
/// <param name="Method">Name of the declaring method.</param>
/// <param name="When">Condition (C# expression) that selects it, or null for <c>Forward</c>.</param>
internal sealed record BodySpec(string Method, string? When, EquatableArray<NodeSpec> Nodes, int Output);

internal enum NodeOp
{
    /// <summary>The body's argument: a flow, or the tokens of a model.</summary>
    Input,

    /// <summary>A call of a layer.</summary>
    Layer,

    /// <summary>One section of a <see cref="SectionsSpec"/> layer node; <see cref="NodeSpec.Section"/> says which.</summary>
    Section,

    Add,
    Multiply,

    /// <summary>Times the number <see cref="NodeSpec.Factor"/>.</summary>
    Scale,

    Silu,
    Gelu,
    GeluTanh,
    Relu,
}

/// <summary>One value of the dataflow.</summary>
/// <param name="Id">Index in the body; also the key of its source location, kept outside the graph.</param>
/// <param name="Inputs">Ids of the values it reads, in argument order.</param>
/// <param name="Layer">Path of the layer it calls: <c>Q</c>, or <c>Mlp.Gate</c> once flattened.</param>
/// <param name="Name">The local variable it was assigned to, or null.</param>
/// <param name="Factor">C# expression of a scale factor.</param>
/// <param name="Section">Which section of a fused flow.</param>
internal sealed record NodeSpec(
    int Id,
    NodeOp Op,
    EquatableArray<int> Inputs,
    string? Layer = null,
    string? Name = null,
    string? Factor = null,
    int Section = 0);
