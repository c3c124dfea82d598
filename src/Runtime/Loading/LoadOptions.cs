using Generated.Parallel;
using static TorchSharp.torch;

namespace Generated.Loading;

/// <summary>How a checkpoint is loaded.</summary>
public sealed record LoadOptions
{
    /// <summary>Type of weights and activations; null means that of the checkpoint's weights.</summary>
    public ScalarType? Dtype { get; init; }

    /// <summary>Where the weights go.</summary>
    public Device Device { get; init; } = CPU;

    /// <summary>The tensor-parallel group, of which this rank reads only its part; null for one rank.</summary>
    public ICollective? TensorParallel { get; init; }

    /// <summary>Whether full passes divide norms and residuals by positions over the group; see <see cref="Layers.BuildOptions.SequenceParallel"/>.</summary>
    public bool SequenceParallel { get; init; }

    /// <summary>Whether the weights take gradients.</summary>
    public bool Trainable { get; init; }

    /// <summary>Name of one of the architecture's other readings of the same files (<see cref="Architectures.ArchitectureInfo.Variants"/>); null for what the files say.</summary>
    public string? Variant { get; init; }

    /// <summary>Told the share of the weights that is loaded.</summary>
    public IProgress<double>? Progress { get; init; }
}
