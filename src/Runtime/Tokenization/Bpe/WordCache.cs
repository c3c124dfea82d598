using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Generated.Tokenization.Bpe;

/// <summary>
/// Remembers the ids of short chunks in one flat table: up to 24 bytes of text and 4 ids stand in the slot itself, so that a hit
/// touches one place in memory. A later chunk takes the slot of an earlier one with the same hash. Not thread-safe.
/// </summary>
internal sealed class WordCache
{
    /// <summary>Longer chunks are not remembered.</summary>
    public const int LongestKey = 24;

    /// <summary>Chunks of more ids are not remembered.</summary>
    public const int MostIds = 4;

    private const int SlotBits = 16;
    private readonly Slot[] _slots = new Slot[1 << SlotBits];

    [InlineArray(MostIds)]
    public struct Ids
    {
        private int _first;
    }

    /// <summary>A chunk's text, held by value.</summary>
    public readonly record struct Key(ulong First, ulong Second, ulong Last, int Length);

    private struct Slot
    {
        public Key Key;
        public int Count;
        public Ids Ids;
    }

    /// <summary>The key of a chunk of 1 to <see cref="LongestKey"/> bytes.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Key KeyOf(ReadOnlySpan<byte> chunk)
    {
        // Reads overlap where the length is no multiple of eight; with the length beside them they still tell all texts apart.
        int length = chunk.Length;
        if (length <= 8)
            return new Key(Short(chunk), 0, 0, length);
        ulong first = MemoryMarshal.Read<ulong>(chunk), last = MemoryMarshal.Read<ulong>(chunk[(length - 8)..]);
        return new Key(first, length <= 16 ? 0 : MemoryMarshal.Read<ulong>(chunk[8..]), last, length);
    }

    /// <summary>The remembered ids of a chunk; false if there are none.</summary>
    public bool TryGet(in Key key, out ReadOnlySpan<int> ids)
    {
        ref var slot = ref SlotOf(key);
        bool found = slot.Key == key;
        ids = found ? slot.Ids[..slot.Count] : default;
        return found;
    }

    /// <summary>Remembers a chunk's ids.</summary>
    public void Store(in Key key, ReadOnlySpan<int> ids)
    {
        if (ids.Length > MostIds)
            return;
        ref var slot = ref SlotOf(key);
        slot.Key = key;
        slot.Count = ids.Length;
        ids.CopyTo(slot.Ids);
    }

    private ref Slot SlotOf(in Key key)
    {
        const ulong Factor = 0x9E3779B97F4A7C15;
        ulong hash = (key.First ^ BitOperations.RotateLeft(key.Last * Factor, 29) ^ BitOperations.RotateLeft(key.Second * Factor, 13) ^ (uint)key.Length) * Factor;
        return ref _slots[(hash ^ (hash >> 32)) * Factor >> (64 - SlotBits)];
    }

    private static ulong Short(ReadOnlySpan<byte> chunk) => chunk.Length switch
    {
        8 => MemoryMarshal.Read<ulong>(chunk),
        >= 4 => MemoryMarshal.Read<uint>(chunk) | ((ulong)MemoryMarshal.Read<uint>(chunk[^4..]) << 32),
        >= 2 => MemoryMarshal.Read<ushort>(chunk) | ((ulong)MemoryMarshal.Read<ushort>(chunk[^2..]) << 16),
        1 => chunk[0],
        _ => 0,
    };
}
