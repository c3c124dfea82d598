using Generated.Quant.Recipes.Rules;

namespace Generated.Quant.Recipes;

/// <summary>
/// How a model is quantized: what is done to weights, activations, keys and values, and by which methods, in the order
/// shift → smooth (or AWQ) → clip → weights (round to nearest, GPTQ or QAT) → activations. Declared by attributes, read from JSON or
/// chosen by name: all become this record, and the same rules check it.
/// </summary>
public sealed record QuantRecipe
{
    /// <summary>Name, for reports and files.</summary>
    public string Name { get; init; } = "custom";

    /// <summary>Moves each channel's offset out of the linears' inputs (Outlier Suppression+, Wei et al., 2023); null for not.</summary>
    public ShiftOptions? Shift { get; init; }

    /// <summary>Moves each channel's scale from activations to weights (SmoothQuant, Xiao et al., 2023); null for not.</summary>
    public SmoothOptions? Smooth { get; init; }

    /// <summary>Scales weights by activation magnitude (AWQ, Lin et al., 2023); null for not. Excludes <see cref="Smooth"/>.</summary>
    public AwqOptions? Awq { get; init; }

    /// <summary>Searches the largest weight of a group that is kept; null for not.</summary>
    public AutoClipOptions? AutoClip { get; init; }

    /// <summary>Rounds weights by second-order error (GPTQ, Frantar et al., 2022); null for rounding to nearest.</summary>
    public GptqOptions? Gptq { get; init; }

    /// <summary>Quantization-aware training; null for not.</summary>
    public QatOptions? Qat { get; init; }

    /// <summary>Format of the linears' weights; null leaves them as they are.</summary>
    public WeightFormat? Weights { get; init; }

    /// <summary>Format of the linears' inputs; null leaves them as they are.</summary>
    public ActivationFormat? Activations { get; init; }

    /// <summary>Format of cached keys and values; null leaves them as they are.</summary>
    public KvCacheFormat? KvCache { get; init; }

    /// <summary>Format of the token embedding; null leaves it as it is.</summary>
    public EmbeddingFormat? Embedding { get; init; }

    /// <summary>
    /// Linears that stay as they are: declared paths (<c>Llama.Head</c>, <c>LlamaBlock.Mlp.Down</c>) or their ends, or patterns with <c>*</c>, which
    /// may fit checkpoint names too (<c>*mlp.down_proj</c>). A head whose matrix is tied to the embedding is kept unless an override
    /// names it.
    /// </summary>
    public IReadOnlyList<string> Keep { get; init => field = value.ToContentList(); } = ContentList<string>.Empty;

    /// <summary>
    /// Other formats for some linears; an exact path wins over a pattern, a pattern over the default (<see cref="LayerChoice"/>).
    /// </summary>
    public IReadOnlyList<LayerOverride> Overrides { get; init => field = value.ToContentList(); } = ContentList<LayerOverride>.Empty;

    /// <summary>Degree of tensor parallelism that the result has to run at: groups may not cross ranks.</summary>
    public int TensorParallel { get; init; } = 1;

    /// <summary>How values between two codes are rounded.</summary>
    public Rounding Rounding { get; init; } = Rounding.ToEven;

    /// <summary>Whether something in it follows from calibration text.</summary>
    public bool NeedsCalibration =>
        this is not { Shift: null, Smooth: null, Awq: null, AutoClip: null, Gptq: null, Qat: null, KvCache: null }
        || Activations is { Per: ActivationGranularity.Tensor }
        || Overrides.Any(o => o.Activations is { Per: ActivationGranularity.Tensor });
}

/// <summary>Other formats for some linears.</summary>
/// <param name="Layer">Declared path, or pattern with <c>*</c> for a path or checkpoint name; <c>LlamaBlock.Mlp.Down@3</c> is that of block 3.</param>
public sealed record LayerOverride(string Layer)
{
    /// <summary>Their weights' format; null keeps the recipe's.</summary>
    public WeightFormat? Weights { get; init; }

    /// <summary>Their inputs' format; null keeps the recipe's.</summary>
    public ActivationFormat? Activations { get; init; }

    /// <summary>Whether they stay as they are.</summary>
    public bool Keep { get; init; }
}

/// <summary>How values between two codes are rounded.</summary>
public enum Rounding
{
    /// <summary>To the nearest, ties to even.</summary>
    ToEven,

    /// <summary>To the nearest, ties away from zero.</summary>
    AwayFromZero,
}
