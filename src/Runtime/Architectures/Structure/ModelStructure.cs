namespace Generated.Architectures;

/// <summary>
/// What the compiler derived from a declaration, for one config: everything that quantization, adapters and tensor parallelism
/// need to know of an architecture, so that none of them looks at names. Paths are declared members with their class:
/// <c>LlamaBlock.Q</c>, <c>LlamaBlock.Mlp.Gate</c>, <c>Llama.Head</c>.
/// </summary>
public sealed record ModelStructure
{
    /// <summary>Every linear layer that this config has, in declaration order.</summary>
    public required IReadOnlyList<LinearInfo> Linears { get; init; }

    /// <summary>Every norm with the linears behind it.</summary>
    public required IReadOnlyList<NormGroup> NormGroups { get; init; }

    /// <summary>Linears between which a scale per channel can move.</summary>
    public required IReadOnlyList<ScalePair> ScalePairs { get; init; }

    /// <summary>Linears that run as one product in inference.</summary>
    public required IReadOnlyList<FusedGroup> FusedGroups { get; init; }

    /// <summary>Where ranks of a tensor-parallel group exchange values, in order of execution.</summary>
    public required IReadOnlyList<Exchange> Exchanges { get; init; }

    /// <summary>Every attention, whose keys and values a cache holds.</summary>
    public IReadOnlyList<AttentionInfo> Attentions { get; init; } = [];

    /// <summary>Where ranks exchange positions under sequence parallelism, in order of execution; empty where it is not possible.</summary>
    public IReadOnlyList<SequenceExchange> SequenceExchanges { get; init; } = [];

    /// <summary>What stands against dividing norms and residuals by positions (<c>BuildOptions.SequenceParallel</c>); null where nothing does.</summary>
    public string? SequenceObstacle { get; init; }

    /// <summary>Norms whose output also is a residual, so that nothing can be folded behind them.</summary>
    public IEnumerable<NormGroup> PostNormShortcuts => NormGroups.Where(g => g.IsShortcut);

    /// <summary>The linear at a path.</summary>
    /// <exception cref="InvalidInputException">There is none in this config.</exception>
    public LinearInfo Linear(string path) => Linears.FirstOrDefault(l => l.Path == path)
        ?? throw new InvalidInputException($"'{path}' is no linear of this model; it has {string.Join(", ", Linears.Select(l => l.Path))}.");

    /// <summary>The paths that are not null: those of layers that a config has.</summary>
    public static IReadOnlyList<string> Present(params ReadOnlySpan<string?> paths) => [.. paths.ToArray().OfType<string>()];

    /// <summary>The structure of several classes as one: a model's own layers and its blocks'.</summary>
    public static ModelStructure Join(params ReadOnlySpan<ModelStructure> parts)
    {
        var all = parts.ToArray();
        return new ModelStructure
        {
            Linears = [.. all.SelectMany(p => p.Linears)],
            NormGroups = [.. all.SelectMany(p => p.NormGroups)],
            ScalePairs = [.. all.SelectMany(p => p.ScalePairs)],
            FusedGroups = [.. all.SelectMany(p => p.FusedGroups)],
            Exchanges = [.. all.SelectMany(p => p.Exchanges)],
            Attentions = [.. all.SelectMany(p => p.Attentions)],
            SequenceExchanges = all.Any(p => p.SequenceObstacle is not null) ? [] : [.. all.SelectMany(p => p.SequenceExchanges)],
            SequenceObstacle = all.Select(p => p.SequenceObstacle).FirstOrDefault(o => o is not null),
        };
    }
}

/// <summary>A linear layer.</summary>
/// <param name="Path">Its declared path.</param>
/// <param name="Name">Checkpoint name without <c>.weight</c>, with <c>{i}</c> in a block.</param>
/// <param name="Site">Path of the first linear that reads the same value: linears of one site share their input.</param>
/// <param name="Partition">How a tensor-parallel group divides it.</param>
/// <param name="Input">Input width.</param>
/// <param name="Output">Output width.</param>
/// <param name="HasBias">Whether it has a bias.</param>
public sealed record LinearInfo(string Path, string Name, string Site, TensorPartition Partition, int Input, int Output, bool HasBias)
{
    /// <summary>The input width as declared, for example <c>Heads·HeadDim</c>.</summary>
    public string InputWords { get; init; } = "";

    /// <summary>The output width as declared.</summary>
    public string OutputWords { get; init; } = "";

    /// <summary>The embedding whose matrix it shares, or null.</summary>
    public string? TiedTo { get; init; }
}

/// <summary>An attention.</summary>
/// <param name="Path">Its declared path.</param>
/// <param name="Heads">Its heads.</param>
public sealed record AttentionInfo(string Path, HeadLayout Heads);

/// <summary>How a tensor-parallel group divides a layer.</summary>
public enum TensorPartition
{
    /// <summary>Every rank holds all of it.</summary>
    Replicated,

    /// <summary>Output features are divided.</summary>
    Column,

    /// <summary>Input features are divided; results are summed over ranks.</summary>
    Row,

    /// <summary>Rows of the vocabulary are divided.</summary>
    Vocabulary,
}

/// <summary>A norm and the linears that read it.</summary>
/// <param name="Norm">Path of the norm.</param>
/// <param name="Name">Checkpoint name without <c>.weight</c>.</param>
/// <param name="HasBias">Whether the norm has a bias, which a shift would change.</param>
/// <param name="Linears">Paths of the linears that read it.</param>
/// <param name="Reason">Why its scale cannot be folded into them, or null where it can.</param>
public sealed record NormGroup(string Norm, string Name, bool HasBias, IReadOnlyList<string> Linears, string? Reason)
{
    /// <summary>Whether the norm's output also is a residual: a post-norm shortcut.</summary>
    public bool IsShortcut { get; init; }

    /// <summary>Whether the norm's scale (and shift) can move into its linears without changing the function.</summary>
    public bool IsFoldable => Reason is null && Linears.Count > 0;
}

/// <summary>Which function a scale pair crosses.</summary>
public enum ScalePairKind
{
    /// <summary>From values through attention to its output projection.</summary>
    Value,

    /// <summary>From an MLP's up projection to its down projection.</summary>
    Up,
}

/// <summary>
/// Two linears between which a positive scale per channel can move without changing the function: the source's output rows
/// are divided by it, the targets' input columns multiplied.
/// </summary>
/// <param name="Kind">What lies between.</param>
/// <param name="Source">Path of the linear whose output is scaled.</param>
/// <param name="Targets">Paths of the linears behind.</param>
public sealed record ScalePair(ScalePairKind Kind, string Source, IReadOnlyList<string> Targets)
{
    /// <summary>The section of the source's output that is meant; null where it is all of it.</summary>
    public OutputSection? Section { get; init; }

    /// <summary>The attention in between; its query heads repeat the channels of their group's value head.</summary>
    public HeadLayout? Heads { get; init; }
}

/// <summary>A section of a fused output: which one, all widths in order (of one group, if grouped), and how often they repeat.</summary>
public sealed record OutputSection(int Index, IReadOnlyList<int> Widths, int Groups);

/// <summary>Heads of an attention: channel <c>h·Width + d</c> of its result is channel <c>(h / (Queries / Values))·Width + d</c> of its values.</summary>
public sealed record HeadLayout(int Queries, int Values, int Width);

/// <summary>Linears that share an input and run as one product.</summary>
public sealed record FusedGroup(string Path, IReadOnlyList<string> Linears);

/// <summary>An exchange between ranks.</summary>
/// <param name="Path">The layer whose result is exchanged.</param>
/// <param name="Kind">What is done.</param>
public sealed record Exchange(string Path, ExchangeKind Kind);

/// <summary>How ranks combine a value.</summary>
public enum ExchangeKind
{
    /// <summary>Summed over ranks (all-reduce).</summary>
    Sum,

    /// <summary>Concatenated from all ranks (all-gather).</summary>
    Gather,
}

/// <summary>An exchange of positions between ranks under sequence parallelism.</summary>
/// <param name="Path">The layer at which it is.</param>
/// <param name="Kind">What is done.</param>
public sealed record SequenceExchange(string Path, SequenceExchangeKind Kind);

/// <summary>How ranks exchange positions (Korthikanti et al. 2022).</summary>
public enum SequenceExchangeKind
{
    /// <summary>Positions are gathered from all ranks before the layer (all-gather); layers that follow each other with the same input share it.</summary>
    GatherBefore,

    /// <summary>The layer's partial results are summed, and each rank keeps its positions (reduce-scatter).</summary>
    ReduceScatterAfter,

    /// <summary>Each rank keeps its positions of the layer's result, which all ranks have.</summary>
    ScatterAfter,

    /// <summary>Gathered before and cut after a layer that every rank computes whole.</summary>
    GatherAround,
}
