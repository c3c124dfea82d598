namespace Generated.Quant.Recipes;

/// <summary>What shares a scale.</summary>
public enum Granularity
{
    /// <summary>The whole weight.</summary>
    Tensor,

    /// <summary>An output channel.</summary>
    Channel,

    /// <summary>Some consecutive inputs of an output channel.</summary>
    Group,
}

/// <summary>Integer format of a linear's weight.</summary>
public sealed record WeightFormat
{
    /// <summary>Bits of a code: 8 or 4.</summary>
    public int Bits { get; init; } = 8;

    /// <summary>What shares a scale.</summary>
    public Granularity Per { get; init; } = Granularity.Channel;

    /// <summary>Inputs of a group, a multiple of 32, with <see cref="Granularity.Group"/>; the last group of a row may be shorter.</summary>
    public int GroupSize { get; init; } = 128;

    /// <summary>Whether codes are symmetric about zero; otherwise every scale has a zero point.</summary>
    public bool Symmetric { get; init; } = true;

    /// <summary>How the range of a scale is chosen.</summary>
    public WeightObserver Observer { get; init; }
}

/// <summary>How the range of a weight's scale is chosen.</summary>
public enum WeightObserver
{
    /// <summary>The largest magnitude (or minimum and maximum).</summary>
    AbsMax,

    /// <summary>The fraction of it, 0.3 to 1, with the least squared error.</summary>
    Mse,
}

/// <summary>Integer format of a linear's input.</summary>
public sealed record ActivationFormat
{
    /// <summary>Bits of a code: 8.</summary>
    public int Bits { get; init; } = 8;

    /// <summary>What shares a scale.</summary>
    public ActivationGranularity Per { get; init; }

    /// <summary>How a static scale is chosen.</summary>
    public ActivationObserver Observer { get; init; }
}

/// <summary>What shares an activation scale.</summary>
public enum ActivationGranularity
{
    /// <summary>One static scale from calibration.</summary>
    Tensor,

    /// <summary>A scale per token, taken as it comes.</summary>
    Token,
}

/// <summary>How a static activation scale follows from calibration.</summary>
public enum ActivationObserver
{
    /// <summary>The largest magnitude seen.</summary>
    AbsMax,

    /// <summary>The mean over batches of the mean over samples of the largest magnitude.</summary>
    Average,

    /// <summary>A percentile of magnitudes.</summary>
    Histogram,

    /// <summary>The threshold with the least Kullback-Leibler divergence.</summary>
    Kl,

    /// <summary>The threshold with the least squared error.</summary>
    Mse,

    /// <summary>The threshold with the least earth mover's distance.</summary>
    Emd,
}

/// <summary>Integer format of cached keys and values: 8 bits, symmetric, one static scale per head.</summary>
public sealed record KvCacheFormat
{
    /// <summary>Bits of a code: 8.</summary>
    public int Bits { get; init; } = 8;

    /// <summary>How the scale of a head follows from calibration; what is beyond its threshold is clipped.</summary>
    public ActivationObserver Observer { get; init; }
}

/// <summary>Integer format of the token embedding: one scale per row.</summary>
public sealed record EmbeddingFormat
{
    /// <summary>Bits of a code: 8 or 16.</summary>
    public int Bits { get; init; } = 8;

    /// <summary>How codes are spaced.</summary>
    public EmbeddingSpacing Spacing { get; init; }

    /// <summary>Whether a head tied to the embedding uses the codes too.</summary>
    public bool TiedHead { get; init; }
}

/// <summary>How an embedding's codes are spaced.</summary>
public enum EmbeddingSpacing
{
    /// <summary>Evenly up to the largest magnitude of the row.</summary>
    AbsMax,

    /// <summary>By powers of two below it (PaddleSlim's <c>log</c>).</summary>
    Log,
}
