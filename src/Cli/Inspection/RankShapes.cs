using Generated.Architectures;
using Generated.Layers;
using Generated.Parallel;
using TorchSharp;

namespace Generated.Cli.Inspection;

/// <summary>What one rank of a tensor-parallel group would hold, found by building a model of shapes only.</summary>
internal static class RankShapes
{
    /// <summary>A weight's part on one rank.</summary>
    /// <param name="Name">Hugging Face name.</param>
    /// <param name="Whole">Shape of the whole.</param>
    /// <param name="Local">Shape on the first rank.</param>
    /// <param name="Axis">Axis that is divided; −1 for none.</param>
    public sealed record Part(string Name, IReadOnlyList<long> Whole, IReadOnlyList<long> Local, int Axis);

    /// <summary>The parts of the first rank: the first block's weights and those outside blocks.</summary>
    /// <exception cref="InvalidInputException">The model cannot be divided so.</exception>
    public static (IReadOnlyList<Part> Parts, long RankParameters) Of(ArchitectureInfo architecture, object config, int ranks)
    {
        using var group = new ShapeGroup(ranks);
        using var model = architecture.Create(config, new BuildOptions { Device = torch.META, TensorParallel = group });
        var inLaterBlocks = model.AllBlocks.Skip(1).SelectMany(block => block.Weights()).Select(slot => slot.Name).ToHashSet(StringComparer.Ordinal);
        var slots = model.Weights().Where(slot => !slot.IsTied && slot.Parameter is not null).ToList();
        return (
            [.. slots.Where(slot => !inLaterBlocks.Contains(slot.Name)).Select(slot => new Part(slot.Name, slot.Shape, slot.Parameter!.Shape, slot.ShardAxis))],
            slots.Sum(slot => slot.Parameter!.Shape.Aggregate(1L, (a, b) => a * b)));
    }
}
