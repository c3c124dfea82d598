namespace Generated.Tokenization;

/// <summary>The special tokens of a checkpoint and what each is for.</summary>
internal sealed record SpecialTokens
{
    /// <summary>Tokens recognised in prompts.</summary>
    public IReadOnlyList<AddedToken> Added { get; init; } = [];

    public int? BosId { get; init; }

    public IReadOnlyList<int> EosIds { get; init; } = [];

    public int? PadId { get; init; }

    /// <summary>Ids put before a text when special tokens are asked for.</summary>
    public IReadOnlyList<int> Prefix { get; init; } = [];

    /// <summary>Ids put after it.</summary>
    public IReadOnlyList<int> Suffix { get; init; } = [];
}
