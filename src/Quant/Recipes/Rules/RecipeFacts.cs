namespace Generated.Quant.Recipes.Rules;

/// <summary>
/// What the rules know of a model. The compiler fills it from the graph, where some facts hold only under a config's switch; loading
/// fills it from the structure of the actual config.
/// </summary>
internal sealed record RecipeFacts
{
    /// <summary>Name of the model.</summary>
    public required string Model { get; init; }

    public required ContentList<LinearFacts> Linears { get; init; }

    public required ContentList<NormFacts> Norms { get; init; }

    /// <summary>Paths of linears that take a scale from another linear.</summary>
    public required ContentList<string> PairTargets { get; init; }

    /// <summary>Whether there is attention, and so a cache of keys and values.</summary>
    public required bool HasAttention { get; init; }

    /// <summary>The sizes it is checked with: presets, or the one config.</summary>
    public required ContentList<SizeFacts> Sizes { get; init; }

    /// <summary>The most blocks that a size has; 0 where none is known.</summary>
    public int Blocks => Sizes.Select(s => s.Blocks ?? 0).DefaultIfEmpty(0).Max();

    public LinearFacts? Linear(string path) => Linears.FirstOrDefault(l => l.Path == path);
}

/// <summary>A linear.</summary>
/// <param name="Path">Declared path.</param>
/// <param name="Name">Checkpoint name without <c>.weight</c>, with <c>{i}</c> in a block.</param>
/// <param name="HasBias">Whether it has a bias in every config.</param>
/// <param name="IsRow">Whether a tensor-parallel group divides its input.</param>
/// <param name="IsTied">Whether its matrix is the embedding's in every config.</param>
internal sealed record LinearFacts(string Path, string Name, bool HasBias, bool IsRow, bool IsTied)
{
    public bool IsInBlock => Name.Contains("{i}");
}

/// <summary>A norm and the linears behind it; several times, where the config can choose what is behind it.</summary>
/// <param name="Path">Declared path.</param>
/// <param name="HasBias">Whether it has a bias.</param>
/// <param name="Linears">Paths of the linears that read it.</param>
/// <param name="Conflicts">Why its scale cannot move into them.</param>
internal sealed record NormFacts(string Path, bool HasBias, ContentList<string> Linears, ContentList<ConflictFacts> Conflicts);

/// <summary>Why a norm's scale cannot move.</summary>
/// <param name="Reason">In words: "it also feeds …". Of several that always hold, the first is that of a shortcut, if there is one.</param>
/// <param name="When">Switch of the config under which this is so; null where it always is.</param>
/// <param name="IsShortcut">Whether a residual reads the norm: the post-norm shortcut.</param>
internal sealed record ConflictFacts(string Reason, string? When, bool IsShortcut);

/// <summary>Widths of one size of the model.</summary>
/// <param name="Words">What it is called: <c>preset llama-2-7b</c>, <c>this config</c>.</param>
/// <param name="Blocks">Number of blocks, where it is known.</param>
/// <param name="Inputs">Input width of each linear.</param>
internal sealed record SizeFacts(string Words, int? Blocks, ContentList<InputFacts> Inputs);

/// <summary>Input width of a linear.</summary>
internal sealed record InputFacts(string Path, long Width);
