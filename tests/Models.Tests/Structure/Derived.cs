using Generated.Architectures;
using Generated.Layers;
using Generated.Parallel;
using TorchSharp;

namespace Models.Tests.Structure;

/// <summary>What the compiler derived for one config, as short lines, so that a test names it as a person would.</summary>
internal sealed class Derived
{
    private readonly ArchitectureInfo _architecture;
    private readonly object _config;
    private readonly ModelStructure _structure;

    private Derived(ArchitectureInfo architecture, object config)
    {
        (_architecture, _config) = (architecture, config);
        _structure = architecture.StructureOf(config);
    }

    /// <summary>Of a config that one of the architectures of Generated.Models has.</summary>
    public static Derived Of(object config) => new(Families.ArchitectureOf(config), config);

    /// <summary><c>AttnNorm → Q, K, V</c>; behind a bar why it cannot be folded.</summary>
    public string[] Norms =>
        [.. _structure.NormGroups.Select(g => $"{Short(g.Norm)} → {string.Join(", ", g.Linears.Select(Short))}{(g.Reason is null ? "" : $" | {g.Reason}")}")];

    /// <summary>Norms whose output also is the residual.</summary>
    public string[] Shortcuts => [.. _structure.PostNormShortcuts.Select(g => Short(g.Norm))];

    /// <summary><c>Q + K + V</c>.</summary>
    public string[] Fused => [.. _structure.FusedGroups.Select(g => string.Join(" + ", g.Linears.Select(Short)))];

    /// <summary><c>Qkv[2] → Dense</c>: from the third section of a fused output.</summary>
    public string[] Scales => [.. _structure.ScalePairs.Select(p =>
        $"{Short(p.Source)}{(p.Section is null ? "" : $"[{p.Section.Index}]")} → {string.Join(", ", p.Targets.Select(Short))}")];

    /// <summary><c>Q column</c>.</summary>
    public string[] Splits => [.. _structure.Linears.Select(l => $"{Short(l.Path)} {l.Partition.ToString().ToLowerInvariant()}")];

    /// <summary><c>sum O</c>.</summary>
    public string[] Exchanges => [.. _structure.Exchanges.Select(e => $"{e.Kind.ToString().ToLowerInvariant()} {Short(e.Path)}")];

    /// <summary>
    /// What a rank holds of a weight, as <c>rows 0..4, 8..12</c> or <c>columns 0..4</c> of the whole; <c>all</c> where it is not divided.
    /// Nothing is allocated.
    /// </summary>
    public string Part(string weight, int rank, int ranks) => ThreadCollective.Run(ranks, group =>
    {
        using var model = _architecture.Create(_config, new BuildOptions { Device = torch.META, TensorParallel = group });
        var slot = model.Weights().Single(s => s.Name == weight);
        return slot.ShardAxis < 0 ? "all" : $"{(slot.ShardAxis == 0 ? "rows" : "columns")} {string.Join(", ", slot.Ranges.Select(r => $"{r.Start}..{r.Start + r.Length}"))}";
    })[rank];

    private static string Short(string path) => path[(path.IndexOf('.', StringComparison.Ordinal) + 1)..];
}
