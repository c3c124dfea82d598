using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Generated.Tokenization.Bpe;

/// <summary>A read-mostly map from byte strings to ids: open addressing over one block of bytes, without an object per entry.</summary>
internal sealed class ByteMap
{
    private byte[] _bytes;
    private int _used;
    private readonly List<Entry> _entries;
    private int[] _slots;
    private int _shift;

    public ByteMap(int expectedCount)
    {
        _entries = new List<Entry>(expectedCount);
        _bytes = new byte[Math.Max(16, expectedCount * 8)];
        int size = (int)BitOperations.RoundUpToPowerOf2((uint)Math.Max(16, expectedCount * 2));
        _slots = new int[size];
        _shift = 32 - BitOperations.Log2((uint)size);
    }

    private readonly record struct Entry(uint Hash, int Offset, int Length, int Id);

    /// <summary>Length in bytes of the longest key.</summary>
    public int LongestKey { get; private set; }

    public int Count => _entries.Count;

    /// <summary>Adds a key; an equal key that is already there stays, and false is returned.</summary>
    public bool TryAdd(ReadOnlySpan<byte> key, int id)
    {
        uint hash = Hash(key);
        if (Find(key, hash) >= 0)
            return false;
        if (_bytes.Length - _used < key.Length)
            Array.Resize(ref _bytes, Math.Max(_bytes.Length * 2, _used + key.Length));
        key.CopyTo(_bytes.AsSpan(_used));
        _entries.Add(new Entry(hash, _used, key.Length, id));
        _used += key.Length;
        LongestKey = Math.Max(LongestKey, key.Length);
        if (_entries.Count * 2 > _slots.Length)
            Grow();
        else
            Insert(hash, _entries.Count);
        return true;
    }

    /// <summary>The id of a key, or -1.</summary>
    public int Find(ReadOnlySpan<byte> key) => key.Length > LongestKey ? -1 : Find(key, Hash(key));

    private int Find(ReadOnlySpan<byte> key, uint hash)
    {
        var entries = CollectionsMarshal.AsSpan(_entries);
        int mask = _slots.Length - 1;
        for (int slot = (int)(hash >> _shift); ; slot = (slot + 1) & mask)
        {
            int index = _slots[slot];
            if (index == 0)
                return -1;
            ref readonly var entry = ref entries[index - 1];
            if (entry.Hash == hash && entry.Length == key.Length && key.SequenceEqual(_bytes.AsSpan(entry.Offset, entry.Length)))
                return entry.Id;
        }
    }

    private void Insert(uint hash, int indexPlusOne)
    {
        int mask = _slots.Length - 1;
        int slot = (int)(hash >> _shift);
        while (_slots[slot] != 0)
            slot = (slot + 1) & mask;
        _slots[slot] = indexPlusOne;
    }

    private void Grow()
    {
        _slots = new int[_slots.Length * 2];
        _shift--;
        for (int i = 0; i < _entries.Count; i++)
            Insert(_entries[i].Hash, i + 1);
    }

    /// <summary>A multiplicative hash, eight bytes at a time; the good bits are the high ones.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static uint Hash(ReadOnlySpan<byte> key)
    {
        const ulong Factor = 0x9E3779B97F4A7C15;
        ulong hash = (ulong)key.Length * Factor;
        while (key.Length >= 8)
        {
            hash = (BitOperations.RotateLeft(hash, 23) ^ MemoryMarshal.Read<ulong>(key)) * Factor;
            key = key[8..];
        }
        if (key.Length >= 4)
        {
            hash = (BitOperations.RotateLeft(hash, 23) ^ MemoryMarshal.Read<uint>(key)) * Factor;
            key = key[4..];
        }
        foreach (byte b in key)
            hash = (BitOperations.RotateLeft(hash, 23) ^ b) * Factor;
        hash ^= hash >> 29;
        return (uint)((hash * Factor) >> 32);
    }
}
