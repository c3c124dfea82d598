namespace Generated.Quant.Recipes;

/// <summary>How shifts are found.</summary>
public sealed record ShiftOptions
{
    /// <summary>Whether linears behind no foldable norm are shifted too, by an operation inserted in front of them.</summary>
    public bool AllLinears { get; init; }

    /// <summary>How a channel's offset is estimated.</summary>
    public ShiftSampler Sampler { get; init; } = ShiftSampler.Ema;
}

/// <summary>How a channel's offset is estimated.</summary>
public enum ShiftSampler
{
    /// <summary>The middle between the smallest and the largest value seen: the narrowest range, but a single outlying token moves it.</summary>
    MinMax,

    /// <summary>The exponential moving average (0.98, bias-corrected) of batch means (PaddleSlim's <c>ema</c>): the least error of rounded weights.</summary>
    Ema,
}

/// <summary>How smoothing scales are found: s = max|x|^α / max|w|^(1−α), jointly over all linears that share the input.</summary>
public sealed record SmoothOptions
{
    /// <summary>Share of the difficulty that moves to the weights.</summary>
    public double Alpha { get; init; } = 0.5;

    /// <summary>Whether linears behind no foldable norm are smoothed too, by an operation inserted in front of them.</summary>
    public bool AllLinears { get; init; }

    /// <summary>What is searched.</summary>
    public SmoothSearch Search { get; init; }

    /// <summary>Pieces of a piecewise search (3 for 10B, 6 for 100B parameters); the most, where their number is searched.</summary>
    public int Pieces { get; init; } = 3;

    /// <summary>Whether the number of pieces is searched too.</summary>
    public bool SearchPieces { get; init; }

    /// <summary>Smallest α tried.</summary>
    public double AlphaMin { get; init; } = 0.2;

    /// <summary>Largest α tried.</summary>
    public double AlphaMax { get; init; } = 0.8;

    /// <summary>Step of α.</summary>
    public double AlphaStep { get; init; } = 0.01;

    /// <summary>Smallest factor tried in a piece.</summary>
    public double ScaleMin { get; init; } = 1;

    /// <summary>Largest factor tried in a piece.</summary>
    public double ScaleMax { get; init; } = 5;

    /// <summary>Step of the factor.</summary>
    public double ScaleStep { get; init; } = 0.5;
}

/// <summary>What a smoothing search varies.</summary>
public enum SmoothSearch
{
    /// <summary>Nothing: α is taken.</summary>
    None,

    /// <summary>α of each group.</summary>
    Alpha,

    /// <summary>α and a factor of each piece: channels clustered by magnitude.</summary>
    Piecewise,
}

/// <summary>AWQ's scale search: s = mean|x|^r, normalised, for r on a grid.</summary>
public sealed record AwqOptions
{
    /// <summary>Points of the grid 0, 1/n, …</summary>
    public int Grid { get; init; } = 20;

    /// <summary>Whether linears behind no foldable norm and no scale pair are scaled too, by an operation inserted in front of them.</summary>
    public bool AllLinears { get; init; }
}

/// <summary>Search of clipping thresholds per group by output error.</summary>
public sealed record AutoClipOptions
{
    /// <summary>Points of the grid.</summary>
    public int Grid { get; init; } = 20;

    /// <summary>Largest share that is cut off.</summary>
    public double MaxShrink { get; init; } = 0.5;

    /// <summary>Calibration tokens the error is taken on.</summary>
    public int Tokens { get; init; } = 512;
}

/// <summary>GPTQ.</summary>
public sealed record GptqOptions
{
    /// <summary>Damping of the Hessian, as a share of its mean diagonal; escalated where the factorisation fails.</summary>
    public double Damping { get; init; } = 0.01;

    /// <summary>Whether columns are quantized in order of falling Hessian diagonal.</summary>
    public bool ActOrder { get; init; } = true;

    /// <summary>
    /// Whether groups are those of columns in order even where columns are quantized in another: their scales are fitted before
    /// the first column, and no group index is needed. Otherwise groups follow the order of quantization.
    /// </summary>
    public bool StaticGroups { get; init; }

    /// <summary>Columns between two updates of the rest.</summary>
    public int BlockSize { get; init; } = 128;
}

/// <summary>Quantization-aware training.</summary>
public sealed record QatOptions
{
    /// <summary>How weights are fake-quantized.</summary>
    public QatWeights Weights { get; init; }

    /// <summary>How activations are fake-quantized.</summary>
    public QatActivations Activations { get; init; }

    /// <summary>Optimizer steps.</summary>
    public int Steps { get; init; } = 200;

    /// <summary>Learning rate.</summary>
    public double LearningRate { get; init; } = 1e-5;
}

/// <summary>Fake quantization of weights in training.</summary>
public enum QatWeights
{
    /// <summary>Largest magnitude of each output channel, straight-through gradient.</summary>
    ChannelAbsMax,

    /// <summary>Learned scale of each output channel (LSQ+, Bhalgat et al., 2020).</summary>
    LsqPlus,
}

/// <summary>Fake quantization of activations in training.</summary>
public enum QatActivations
{
    /// <summary>Moving average (0.9) of the largest magnitude.</summary>
    MovingAverageAbsMax,

    /// <summary>Learned clipping threshold (PACT, Choi et al., 2018).</summary>
    Pact,

    /// <summary>Learned scale and offset (LSQ+).</summary>
    LsqPlus,

    /// <summary>Learned clipping threshold, and the moving average (0.9) of the largest magnitude of what it leaves (PaddleNLP's <c>do_qat</c>).</summary>
    PactMovingAverage,
}
