using Generated.Parallel;

namespace Generated.Layers;

/// <summary>How a layer is divided over a tensor-parallel group.</summary>
public enum ShardKind
{
    /// <summary>Every rank holds all of it.</summary>
    None,

    /// <summary>Output features are divided.</summary>
    Column,

    /// <summary>Input features are divided; results are summed over ranks.</summary>
    Row,

    /// <summary>Rows of a vocabulary are divided.</summary>
    Vocabulary,
}

/// <summary>Consecutive features of a whole weight that a rank holds.</summary>
/// <param name="Start">First feature.</param>
/// <param name="Length">Number of features.</param>
public readonly record struct WeightRange(long Start, long Length);

/// <summary>
/// How a layer is divided over a tensor-parallel group, by units that stay together (heads, groups). Where there are fewer
/// units than ranks, and the ranks are a multiple of them, each unit is held by several ranks (GQA with few KV heads).
/// </summary>
public sealed class Shard
{
    private readonly int[] _sections;

    private Shard(ShardKind kind, int unit = 1, int groups = 0, int[]? sections = null)
    {
        Kind = kind;
        Unit = unit;
        GroupCount = groups;
        _sections = sections ?? [];
    }

    /// <summary>Not divided.</summary>
    public static Shard None { get; } = new(ShardKind.None);

    /// <summary>Divided by rows of a vocabulary, in the ranges of <see cref="VocabRange"/>.</summary>
    public static Shard Vocabulary { get; } = new(ShardKind.Vocabulary);

    /// <summary>How it is divided.</summary>
    public ShardKind Kind { get; }

    /// <summary>Features that stay together.</summary>
    public int Unit { get; }

    /// <summary>Number of groups of a fused output that lies group by group; 0 where it does not.</summary>
    public int GroupCount { get; }

    /// <summary>Output features are divided in units of <paramref name="unit"/> (the head width; 1 for an MLP).</summary>
    public static Shard Column(int unit = 1) => new(ShardKind.Column, unit);

    /// <summary>Output features are sections one after the other, each divided on its own in units of <paramref name="unit"/>.</summary>
    public static Shard Sections(int unit, params int[] widths) => new(ShardKind.Column, unit, sections: widths);

    /// <summary>Output features lie in <paramref name="groups"/> equal groups, which are divided whole (per-head q|k|v).</summary>
    public static Shard Groups(int groups) => new(ShardKind.Column, groups: groups);

    /// <summary>Input features are divided in units of <paramref name="unit"/>.</summary>
    public static Shard Row(int unit = 1) => new(ShardKind.Row, unit);

    /// <summary>This rank's features of a dimension of <paramref name="width"/> features that this division cuts.</summary>
    /// <exception cref="InvalidInputException">The units cannot be divided over the ranks.</exception>
    internal IReadOnlyList<Part> Parts(long width, ICollective group)
    {
        if (group.Size == 1 || Kind == ShardKind.None)
            return [new Part(new(0, width), 1)];
        if (Kind == ShardKind.Vocabulary)
        {
            var range = VocabRange.Of(width, group);
            return [new Part(new(range.Start, range.Length), 1)];
        }

        if (GroupCount > 0)
            return [Divide(0, width, (int)(width / GroupCount), group)];
        if (_sections.Length == 0)
            return [Divide(0, width, Unit, group)];
        var parts = new List<Part>();
        var start = 0L;
        foreach (var section in _sections)
        {
            parts.Add(Divide(start, section, Unit, group));
            start += section;
        }

        return start == width
            ? parts
            : throw new ArgumentException($"Sections of {string.Join(" + ", _sections)} features are not the {width} features of the layer.");
    }

    /// <summary>This rank's part of <paramref name="width"/> features from <paramref name="start"/> on.</summary>
    internal static Part Divide(long start, long width, int unit, ICollective group)
    {
        if (unit < 1 || width % unit != 0)
            throw new InvalidInputException($"{width} features are not a multiple of the unit of {unit}; correct the widths in the config.");
        var units = width / unit;
        if (units % group.Size == 0)
        {
            var share = units / group.Size * unit;
            return new Part(new(start + group.Rank * share, share), 1);
        }

        if (group.Size % units == 0)
        {
            var replicas = (int)(group.Size / units);
            return new Part(new(start + group.Rank / replicas * unit, unit), replicas);
        }

        var what = unit == 1 ? $"{width} features" : $"{width} features in {units} units of {unit}";
        throw new InvalidInputException($"{what} cannot be divided over {group.Size} ranks; use a tensor-parallel degree that divides {units}.");
    }

    /// <summary>Consecutive features a rank holds.</summary>
    /// <param name="Range">Which of the whole.</param>
    /// <param name="Replicas">How many ranks hold the same ones.</param>
    internal readonly record struct Part(WeightRange Range, int Replicas);
}
