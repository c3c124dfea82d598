namespace Generated.Tokenization.Bpe;

/// <summary>
/// Remembers the ids of short chunks. One slot per hash value and immutable entries: readers and writers of several threads
/// need no lock, and the memory is bounded.
/// </summary>
internal sealed class WordCache
{
    /// <summary>Longer chunks are not worth a slot.</summary>
    public const int LongestKey = 48;

    private const int Slots = 1 << 15;
    private readonly Entry?[] _entries = new Entry?[Slots];

    private sealed record Entry(uint Hash, byte[] Key, int[] Ids);

    /// <summary>Finds a chunk's ids; <paramref name="hash"/> is what <see cref="Store"/> takes.</summary>
    public bool TryGet(ReadOnlySpan<byte> key, out uint hash, out int[] ids)
    {
        hash = ByteMap.Hash(key);
        if (_entries[hash & (Slots - 1)] is { } entry && entry.Hash == hash && key.SequenceEqual(entry.Key))
        {
            ids = entry.Ids;
            return true;
        }
        ids = [];
        return false;
    }

    public void Store(ReadOnlySpan<byte> key, uint hash, ReadOnlySpan<int> ids)
        => Volatile.Write(ref _entries[hash & (Slots - 1)], new Entry(hash, key.ToArray(), ids.ToArray()));
}
