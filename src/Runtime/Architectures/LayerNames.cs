namespace Generated.Architectures;

/// <summary>The checkpoint names of one layer.</summary>
/// <param name="HuggingFace">Full name without <c>.weight</c> and <c>.bias</c>, block index put in.</param>
public sealed record LayerNames(string HuggingFace)
{
    /// <summary>The layer's name in PaddleNLP's checkpoints; null where there is no counterpart. A name that ends in <c>weight</c> is that of the weight itself.</summary>
    public string? Paddle { get; init; }

    /// <summary>How a linear's weight lies in the Hugging Face file.</summary>
    public WeightLayout Layout { get; init; }

    /// <summary>Names of the linears that Paddle stores in place of this one, one per section of its output.</summary>
    public IReadOnlyList<string> PaddleSections { get; init; } = [];

    /// <summary>Widths of those sections.</summary>
    public IReadOnlyList<int> PaddleSectionWidths { get; init; } = [];

    /// <summary>Whether Paddle stores a copy of a tied matrix under this name, laid out as the embedding.</summary>
    public bool PaddleKeepsTied { get; init; }

    /// <summary>Full Hugging Face name of the tied matrix' owner, with <c>.weight</c>.</summary>
    public string? TiedTo { get; init; }
}
