namespace Generated.Tokenization.Bpe;

/// <summary>Which two neighbouring symbols merge, and in which order.</summary>
internal interface IMergeTable
{
    /// <summary>Looks up a merge; the lowest <paramref name="rank"/> is done first.</summary>
    /// <param name="left">Id of the left symbol, or -1 for a character that is no piece.</param>
    /// <param name="right">Id of the right symbol, or -1.</param>
    /// <param name="joined">The bytes of both.</param>
    /// <param name="rank">Order of the merge.</param>
    /// <param name="id">Id of the merged symbol.</param>
    bool TryMerge(int left, int right, ReadOnlySpan<byte> joined, out int rank, out int id);
}

/// <summary>Sentencepiece and tiktoken: two symbols merge if what they spell together is a piece; the order is the piece's.</summary>
/// <param name="pieces">The pieces that merging may produce.</param>
/// <param name="ranks">Order by id: tiktoken's rank, or the position of the score among all scores from the highest down.</param>
internal readonly struct PieceMerges(ByteMap pieces, int[] ranks) : IMergeTable
{
    public bool TryMerge(int left, int right, ReadOnlySpan<byte> joined, out int rank, out int id)
    {
        id = pieces.Find(joined);
        rank = id < 0 ? 0 : ranks[id];
        return id >= 0;
    }
}

/// <summary>Hugging Face and GPT-2: an explicit list of pairs, in order (merges.txt).</summary>
internal sealed class PairMerges : IMergeTable
{
    private readonly Dictionary<ulong, (int Rank, int Id)> _pairs;

    public PairMerges(int expectedCount) => _pairs = new(expectedCount);

    /// <summary>Adds a pair; a pair named twice keeps its last rank, as in the original.</summary>
    public void Add(int left, int right, int rank, int id) => _pairs[Key(left, right)] = (rank, id);

    public bool TryMerge(int left, int right, ReadOnlySpan<byte> joined, out int rank, out int id)
    {
        bool found = _pairs.TryGetValue(Key(left, right), out var merge);
        (rank, id) = merge;
        return found;
    }

    private static ulong Key(int left, int right) => ((ulong)(uint)left << 32) | (uint)right;
}
