using System.Numerics;

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

/// <summary>Hugging Face and GPT-2: an explicit list of pairs, in order (merges.txt). Open addressing, one slot of 16 bytes per look-up.</summary>
internal sealed class PairMerges : IMergeTable
{
    private const ulong Factor = 0x9E3779B97F4A7C15;
    private readonly (ulong Pair, int Rank, int Id)[] _slots; // a pair is stored plus one, so that zero marks a free slot
    private readonly int _shift;

    /// <param name="count">How many pairs will be added at most.</param>
    public PairMerges(int count)
    {
        int size = (int)BitOperations.RoundUpToPowerOf2((uint)Math.Max(16, count * 2));
        _slots = new (ulong, int, int)[size];
        _shift = 64 - BitOperations.Log2((uint)size);
    }

    /// <summary>Adds a pair; a pair named twice keeps its last rank, as in the original.</summary>
    public void Add(int left, int right, int rank, int id) => _slots[Find(left, right)] = (Key(left, right), rank, id);

    public bool TryMerge(int left, int right, ReadOnlySpan<byte> joined, out int rank, out int id)
    {
        (ulong pair, rank, id) = _slots[Find(left, right)];
        return pair != 0;
    }

    private int Find(int left, int right)
    {
        ulong key = Key(left, right);
        int slot = (int)(key * Factor >> _shift);
        while (_slots[slot].Pair != 0 && _slots[slot].Pair != key)
            slot = (slot + 1) & (_slots.Length - 1);
        return slot;
    }

    private static ulong Key(int left, int right) => (((ulong)(uint)left << 32) | (uint)right) + 1;
}
