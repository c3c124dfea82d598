namespace Generated.Architectures;

/// <summary>
/// What the compiler derived from a declaration, for one config: quantization and inspection read this and never a name.
/// Paths are of declared members (<c>LlamaBlock.Mlp.Gate</c>); checkpoint names have <c>{i}</c> for the block.
/// </summary>
public sealed record ModelStructure
{
    /// <summary>Norms with the linears behind them.</summary>
    public IReadOnlyList<NormGroup> NormGroups { get; init; } = [];

    /// <summary>Pairs of linears between which scales can move.</summary>
    public IReadOnlyList<ScalePair> ScalePairs { get; init; } = [];

    /// <summary>All linears.</summary>
    public IReadOnlyList<LinearInfo> Linears { get; init; } = [];

    /// <summary>Linears of one input that run as one product.</summary>
    public IReadOnlyList<FusedGroup> FusedGroups { get; init; } = [];

    /// <summary>Where ranks of a tensor-parallel group sum or gather.</summary>
    public IReadOnlyList<Reduction> Reductions { get; init; } = [];

    /// <summary>Norms whose output is also the residual.</summary>
    public IReadOnlyList<PostNormShortcut> PostNormShortcuts { get; init; } = [];
}

/// <summary>A norm and the linears that read its output.</summary>
/// <param name="Norm">Path of the norm.</param>
/// <param name="Name">Checkpoint name of the norm, without <c>.weight</c>.</param>
/// <param name="Linears">Paths of the linears.</param>
/// <param name="Foldable">Whether the norm's scale (and shift) can move into the linears.</param>
/// <param name="Reason">Why not, in words; null where it can.</param>
/// <param name="HasBias">Whether the norm has a shift.</param>
public sealed record NormGroup(string Norm, string Name, IReadOnlyList<string> Linears, bool Foldable, string? Reason, bool HasBias);

/// <summary>What lies between the linears of a pair.</summary>
public enum ScalePairKind
{
    /// <summary>Values through attention to the output projection.</summary>
    Value,

    /// <summary>The up projection through a product to the down projection.</summary>
    Up,
}

/// <summary>Two linears between which a positive scale per channel can move without changing the function.</summary>
/// <param name="Kind">What lies between.</param>
/// <param name="Source">Path of the linear whose output rows are divided.</param>
/// <param name="SourceStart">First of those rows.</param>
/// <param name="SourceLength">Number of those rows (per group, where <paramref name="Groups"/> is not 0).</param>
/// <param name="Groups">Number of groups that the source's output lies in; 0 for one run of rows.</param>
/// <param name="Targets">Paths of the linears whose input columns are multiplied.</param>
/// <param name="Repeats">How many consecutive heads of the target share one of the source (GQA); 1 otherwise.</param>
/// <param name="HeadDim">Width of such a head; 0 where there are none.</param>
public sealed record ScalePair(
    ScalePairKind Kind, string Source, long SourceStart, long SourceLength, int Groups, IReadOnlyList<string> Targets, int Repeats, int HeadDim);

/// <summary>A linear.</summary>
/// <param name="Path">Path.</param>
/// <param name="Name">Checkpoint name, without <c>.weight</c>.</param>
/// <param name="Site">Path of the first linear that reads the same input.</param>
/// <param name="Partition">How ranks divide it.</param>
/// <param name="InExpression">Input width as declared.</param>
/// <param name="In">Input width.</param>
/// <param name="OutExpression">Output width as declared.</param>
/// <param name="Out">Output width.</param>
/// <param name="HasBias">Whether it has a bias.</param>
public sealed record LinearInfo(
    string Path, string Name, string Site, Partition Partition, string InExpression, long In, string OutExpression, long Out, bool HasBias);

/// <summary>Linears of one input that run as one product.</summary>
/// <param name="Name">Name of the product.</param>
/// <param name="Linears">Paths of its members.</param>
public sealed record FusedGroup(string Name, IReadOnlyList<string> Linears);

/// <summary>A point where ranks communicate.</summary>
/// <param name="Path">Path of the layer behind which it happens.</param>
/// <param name="Kind">What they do.</param>
public sealed record Reduction(string Path, ReductionKind Kind);

/// <summary>What ranks do at a reduction.</summary>
public enum ReductionKind
{
    /// <summary>Partial results are summed.</summary>
    Sum,

    /// <summary>Parts of the logits are joined.</summary>
    Gather,
}

/// <summary>A norm whose output is also the residual.</summary>
/// <param name="Norm">Path of the norm.</param>
/// <param name="Factor">The residual's factor as declared; null for 1.</param>
public sealed record PostNormShortcut(string Norm, string? Factor);

/// <summary>A linear that adapters can be attached to.</summary>
/// <param name="Path">Path.</param>
/// <param name="Name">Checkpoint name with <c>{i}</c>, without <c>.weight</c>.</param>
public sealed record LinearSite(string Path, string Name);
