using Generated.Generators.Graph;

namespace Generated.Generators.Analysis;

internal enum SplitKind
{
    /// <summary>Every rank holds all of it.</summary>
    Replicated,

    /// <summary>Output features are divided; the result stays divided.</summary>
    Column,

    /// <summary>Input features are divided; results are summed over ranks.</summary>
    Row,

    /// <summary>Rows of the vocabulary are divided: an embedding's results are summed, a head's are gathered.</summary>
    Vocabulary,
}

/// <summary>How a layer is divided over a tensor-parallel group.</summary>
/// <param name="HeadWidth">Features that stay together, where heads are divided.</param>
/// <param name="Sections">Sections of a fused output that are divided one by one.</param>
/// <param name="Groups">Groups that stay together, where a fused output lies group by group.</param>
internal sealed record Split(
    SplitKind Kind,
    DimRef? HeadWidth = null,
    EquatableArray<DimRef> Sections = default,
    DimRef? Groups = null)
{
    public static readonly Split Replicated = new(SplitKind.Replicated);
    public static readonly Split Vocabulary = new(SplitKind.Vocabulary);
}
