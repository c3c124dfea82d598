namespace Generated.Passes;

/// <summary>
/// Which columns (tokens of a row, the cached ones first) a query sees, besides causality, in compact form: each part is
/// one number or range per row, or null where it restricts nothing. It holds for a whole generation.
/// </summary>
public sealed record AttentionMask
{
    /// <summary>Plain causal attention.</summary>
    public static AttentionMask Causal { get; } = new();

    /// <summary>First real column of each row: what lies left of it is padding.</summary>
    public IReadOnlyList<int>? Starts { get; init; }

    /// <summary>Columns before this one see each other in both directions (prefix decoders).</summary>
    public IReadOnlyList<int>? PrefixEnds { get; init; }

    /// <summary>Columns of each row that nobody attends to, as [start, end) (padding between GLM's prefix and its answer).</summary>
    public IReadOnlyList<(int Start, int End)>? Hidden { get; init; }

    /// <summary>Whether it is plain causality.</summary>
    public bool IsCausal => Starts is null && PrefixEnds is null && Hidden is null;

    /// <summary>
    /// Whether the query in column <paramref name="query"/> sees column <paramref name="key"/>. Queries that are themselves
    /// padding see what causality lets them, so that their unused results stay finite.
    /// </summary>
    /// <param name="row">Row of the batch.</param>
    /// <param name="query">Column of the query.</param>
    /// <param name="key">Column of the key.</param>
    /// <param name="prefix">Whether the layer lets a prefix see itself.</param>
    /// <param name="window">Number of last columns that are seen; 0 = all.</param>
    public bool Sees(int row, int query, int key, bool prefix, int window)
    {
        var sees = key <= query || (prefix && PrefixEnds is not null && key < PrefixEnds[row]);
        if (window > 0)
            sees &= key > query - window;
        if (Starts is not null)
            sees &= key >= Starts[row] || query < Starts[row];
        if (Hidden is not null)
            sees &= !IsHidden(row, key) || IsHidden(row, query);
        return sees;
    }

    private bool IsHidden(int row, int column) => column >= Hidden![row].Start && column < Hidden[row].End;
}
