using Generated.Parallel;
using TorchSharp;
using static TorchSharp.torch;

namespace Generated.Layers;

/// <summary>Where and how a model's weights are created.</summary>
public sealed record BuildOptions
{
    /// <summary>Type of weights and activations: float32, bfloat16 or float16.</summary>
    public ScalarType Dtype { get; init; } = ScalarType.Float32;

    /// <summary>Where the weights live; <c>meta</c> gives shapes without memory, for inspection.</summary>
    public Device Device { get; init; } = CPU;

    /// <summary>
    /// Whether blocks are built without memory, for a model that does not fit: each is built again with a context of its own when
    /// it is needed, between <c>Enter</c> and <c>Leave</c>.
    /// </summary>
    public bool StreamsBlocks { get; init; }

    /// <summary>
    /// Whether the matrices of linears and token embeddings get no memory until <see cref="Architectures.CausalModel.AllocateMatrices"/>, so that
    /// what takes their place (packed weights) never stands beside them.
    /// </summary>
    public bool DeferMatrices { get; init; }

    /// <summary>The tensor-parallel group, of which this rank builds its share; null for one rank.</summary>
    public ICollective? TensorParallel { get; init; }

    /// <summary>
    /// Whether full passes (those without a cache) divide norms and residuals by positions over the group, so that activations
    /// between linears take 1/ranks of the memory: sums after row linears become reduce-scatters, and column linears gather
    /// their input (Korthikanti et al. 2022). Results and gradients are those without it. An observer of such a pass sees
    /// this rank's positions only.
    /// </summary>
    public bool SequenceParallel { get; init; }

    /// <summary>Whether weights take gradients.</summary>
    public bool Trainable { get; init; }
}
