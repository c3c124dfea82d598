using Generated.Architectures;
using Generated.Quant.Recipes;
using static TorchSharp.torch;

namespace Generated.Quant.Formats;

/// <summary>What a quantized checkpoint is going to be.</summary>
public sealed record QuantizedCheckpointPlan
{
    /// <summary>The folder to write; it appears whole or not at all.</summary>
    public required string Target { get; init; }

    /// <summary>Whether a folder that is there is replaced.</summary>
    public bool Overwrite { get; init; }

    /// <summary>The checkpoint folder that is quantized: its config's keys are kept, its tokenizer's files copied.</summary>
    public required string Source { get; init; }

    /// <summary>The architecture.</summary>
    public required ArchitectureInfo Architecture { get; init; }

    /// <summary>Its typed config.</summary>
    public required object Config { get; init; }

    /// <summary>Number of blocks.</summary>
    public required int Blocks { get; init; }

    /// <summary>Type in which a matrix that is not quantized is stored; vectors are float32, since folding changes them.</summary>
    public required Func<TensorSpec, ScalarType> DenseType { get; init; }

    /// <summary>The recipe, which the result records.</summary>
    public required QuantRecipe Recipe { get; init; }

    /// <summary>Hash of the calibration tokens; null where the recipe needs none.</summary>
    public string? CalibrationHash { get; init; }

    /// <summary>
    /// Tells whether parts that an interrupted run left belong to this one: a hash of everything that they depend on. Other parts are thrown away.
    /// </summary>
    public required string Fingerprint { get; init; }
}
