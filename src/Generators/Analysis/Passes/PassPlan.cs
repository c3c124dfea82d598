using Generated.Generators.Graph;

namespace Generated.Generators.Analysis.Passes;

internal enum PassKind
{
    /// <summary>The whole sequence, with gradients where they are enabled.</summary>
    Full,

    /// <summary>The whole sequence, without gradients, filling the cache.</summary>
    Prefill,

    /// <summary>One new token per row.</summary>
    Decode,
}

/// <summary>One pass over one wiring, statement by statement.</summary>
/// <param name="Input">Name of the argument.</param>
/// <param name="Result">Name of the value that is returned; the input's where nothing is computed.</param>
internal sealed record PassPlan(PassKind Kind, string Input, EquatableArray<Step> Steps, string Result)
{
    /// <summary>Whether it is a model's: its linears are outside blocks.</summary>
    public bool IsModel { get; init; }
}

internal enum StepKind
{
    /// <summary>A call of a layer with one result.</summary>
    Layer,

    /// <summary>Attention of one new token that rotates its queries and keys itself, by <see cref="Step.Rotary"/>.</summary>
    RotatedAttention,

    /// <summary>The sum of two values and its norm in one operation; the results in this order.</summary>
    AddNorm,

    /// <summary>A call of a sections layer: one result per section.</summary>
    Cut,

    /// <summary>One product for several linears: one result each.</summary>
    Fused,

    /// <summary>All copies of a block, one after the other.</summary>
    Repeat,

    /// <summary>The last position of every row; only in a model's prefill.</summary>
    LastPosition,

    Add,
    Multiply,
    Scale,
    Silu,
    Gelu,
    GeluTanh,
    Relu,

    /// <summary>silu(first) · second in one operation.</summary>
    SiluMultiply,

    /// <summary>Shows a value to the pass's observer as the input of the linears at <see cref="Step.Site"/>.</summary>
    ProbeInput,

    /// <summary>Shows a value to the pass's observer under the name <see cref="Step.Site"/>.</summary>
    ProbeValue,
}

/// <summary>One statement.</summary>
/// <param name="Results">Names of the values it declares.</param>
/// <param name="Inputs">Names of the values it reads, in argument order.</param>
internal sealed record Step(StepKind Kind, EquatableArray<string> Results, EquatableArray<string> Inputs)
{
    /// <summary>The layer it calls.</summary>
    public LayerSpec? Layer { get; init; }

    /// <summary>C# that reaches that layer, or the fused product.</summary>
    public string Access { get; init; } = "";

    /// <summary>C# that reaches the rotary embedding of a <see cref="StepKind.RotatedAttention"/>.</summary>
    public string Rotary { get; init; } = "";

    /// <summary>C# expression of the factor of a scale.</summary>
    public string Factor { get; init; } = "";

    /// <summary>Site or name for an observer.</summary>
    public string Site { get; init; } = "";

    /// <summary>Name of the layer where it turns out to exist; empty for a layer that always does.</summary>
    public string Guard { get; init; } = "";

    /// <summary>Shape of the (first) result and what tensor parallelism does to it.</summary>
    public string Comment { get; init; } = "";

    /// <summary>For a repeat: whether it may dispose of its input.</summary>
    public bool Consumes { get; init; }

    /// <summary>For a repeat: how many blocks earlier repeats ran, as C#; empty for none.</summary>
    public string Offset { get; init; } = "";

    /// <summary>Names of the values whose last use this is.</summary>
    public EquatableArray<string> Disposes { get; init; }
}
