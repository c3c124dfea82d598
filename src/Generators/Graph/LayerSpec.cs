namespace Generated.Generators.Graph;

/// <summary>A width as it was declared: the member's name, the C# expression that reads it, and its polynomial.</summary>
/// <param name="Member">The name given in the attribute, for example <c>QWidth</c>.</param>
/// <param name="Code">C# that reads it inside the class, for example <c>c.QWidth</c>.</param>
/// <param name="Value">The width as a polynomial of config members (of parameters, in a part).</param>
internal sealed record DimRef(string Member, string Code, Dim Value);

internal enum SplitChoice { Auto, Replicated, Column, Row }

internal enum PaddleSplitChoice { Derived, Whole, Column, HeadByHead }

internal enum PositionChoice { Sequence, Block, SequenceAndBlock }

/// <summary>A layer as declared. Members that name config members are C# expressions such as <c>c.Epsilon</c>, or null.</summary>
internal abstract record LayerSpec
{
    /// <summary>The partial method's name.</summary>
    public required string Member { get; init; }

    /// <summary>Accessibility and modifiers of the partial method as written, without <c>partial</c>.</summary>
    public required string Modifiers { get; init; }

    /// <summary>Names of the partial method's parameters, which the implementing part repeats.</summary>
    public required EquatableArray<string> Arguments { get; init; }

    /// <summary>Condition (C# expression) under which the layer exists; null = always.</summary>
    public string? When { get; init; }

    /// <summary>Hugging Face name relative to the class's prefix, without <c>.weight</c>; empty where the layer has no weights.</summary>
    public string Name { get; init; } = "";

    /// <summary>Paddle's name where it differs.</summary>
    public string? Paddle { get; init; }

    /// <summary>Whether the layer owns checkpoint tensors.</summary>
    public abstract bool HasWeights { get; }
}

internal sealed record LinearSpec : LayerSpec
{
    public required DimRef Input { get; init; }
    public required DimRef Output { get; init; }
    public bool Bias { get; init; }
    public string? BiasWhen { get; init; }
    public bool StoredInOut { get; init; }
    public string? TiedTo { get; init; }
    public string? TiedWhen { get; init; }
    public string? UnitRowsWhen { get; init; }
    public SplitChoice Split { get; init; }
    public EquatableArray<string> PaddleSections { get; init; }
    public bool PaddleKeepsTied { get; init; }
    public bool PaddleTies { get; init; }
    public bool KeepsTied { get; init; }
    public PaddleSplitChoice PaddleSplit { get; init; }
    public override bool HasWeights => true;
}

internal sealed record NormSpec : LayerSpec
{
    public required bool IsRms { get; init; }
    public required DimRef Width { get; init; }
    public string? Epsilon { get; init; }
    public bool Bias { get; init; }
    public override bool HasWeights => true;
}

internal sealed record EmbeddingSpec : LayerSpec
{
    public required DimRef Count { get; init; }
    public required DimRef Width { get; init; }
    public override bool HasWeights => true;
}

internal sealed record PositionEmbeddingSpec : LayerSpec
{
    public required DimRef Count { get; init; }
    public required DimRef Width { get; init; }
    public int Offset { get; init; }
    public PositionChoice Positions { get; init; }
    public override bool HasWeights => true;
}

internal sealed record RotarySpec : LayerSpec
{
    public required DimRef HeadDim { get; init; }
    public DimRef? Dim { get; init; }
    public string? Theta { get; init; }
    public string? Scaling { get; init; }
    public bool Adjacent { get; init; }
    public PositionChoice Positions { get; init; }
    public string? HalfFrequenciesWhen { get; init; }
    public override bool HasWeights => false;
}

internal sealed record AttentionSpec : LayerSpec
{
    public required DimRef Heads { get; init; }
    public required DimRef KvHeads { get; init; }
    public required DimRef HeadDim { get; init; }
    public bool Alibi { get; init; }
    public string? AlibiWhen { get; init; }
    public string? Window { get; init; }
    public string? Scale { get; init; }
    public bool Prefix { get; init; }
    public override bool HasWeights => false;
}

internal sealed record SectionsSpec : LayerSpec
{
    /// <summary>Widths of the sections; within one group, where there are groups.</summary>
    public required EquatableArray<DimRef> Widths { get; init; }

    /// <summary>How often the sections repeat; null where they lie one after the other.</summary>
    public DimRef? Groups { get; init; }
    public override bool HasWeights => false;
}

internal sealed record LogNSpec : LayerSpec
{
    public required DimRef TrainedLength { get; init; }
    public override bool HasWeights => false;
}

/// <summary>A part used as a layer; <see cref="Widths"/> are the values of the part's width parameters, in order.</summary>
internal sealed record UseSpec : LayerSpec
{
    public required ClassSpec Part { get; init; }
    public required EquatableArray<DimRef> Widths { get; init; }
    public override bool HasWeights => false;
}

/// <summary>A repeated block.</summary>
internal sealed record RepeatSpec : LayerSpec
{
    public required ClassSpec Block { get; init; }
    public required DimRef Count { get; init; }
    public override bool HasWeights => false;
}
