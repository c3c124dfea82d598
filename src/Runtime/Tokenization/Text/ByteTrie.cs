using System.Numerics;

namespace Generated.Tokenization.Text;

/// <summary>A trie over byte strings: all keys that a text starts with, in one walk. Edges live in one hash table.</summary>
internal sealed class ByteTrie
{
    /// <summary>The node of the empty string.</summary>
    public const int Root = 0;

    /// <summary>What <see cref="Step"/> gives where no key goes on.</summary>
    public const int Nowhere = -1;

    private const ulong Factor = 0x9E3779B97F4A7C15;
    private readonly List<int> _values = [-1];
    private (uint Key, int Node)[] _edges = new (uint, int)[64]; // Node 0 (the root has no parent) marks a free slot
    private int _shift = 58;

    public bool IsEmpty => _values.Count == 1;

    /// <summary>Adds a key; returns false if it is there already (its value stays).</summary>
    public bool TryAdd(ReadOnlySpan<byte> key, int value)
    {
        int node = Root;
        foreach (byte b in key)
        {
            int next = Step(node, b);
            node = next == Nowhere ? AddEdge(node, b) : next;
        }
        if (_values[node] >= 0)
            return false;
        _values[node] = value;
        return true;
    }

    /// <summary>The child of a node, or <see cref="Nowhere"/>.</summary>
    public int Step(int node, byte b)
    {
        uint key = ((uint)node << 8) | b;
        var edges = _edges;
        for (int slot = (int)(key * Factor >> _shift); ; slot = (slot + 1) & (edges.Length - 1))
        {
            var (edgeKey, child) = edges[slot];
            if (child == 0)
                return Nowhere;
            if (edgeKey == key)
                return child;
        }
    }

    /// <summary>The longest key that the text starts with: its length (0 if there is none) and its value.</summary>
    public int LongestPrefix(ReadOnlySpan<byte> text, out int value)
    {
        int longest = 0, node = Root;
        value = -1;
        for (int i = 0; i < text.Length; i++)
        {
            node = Step(node, text[i]);
            if (node == Nowhere)
                break;
            if (_values[node] >= 0)
                (longest, value) = (i + 1, _values[node]);
        }
        return longest;
    }

    private int AddEdge(int node, byte b)
    {
        if (_values.Count >= 1 << 24)
            throw new InvalidInputException("The pieces of a tokenizer need more than 16,777,216 trie nodes; no known tokenizer comes near that, so the file is damaged.");
        if (_values.Count * 2 > _edges.Length)
        {
            var old = _edges;
            _edges = new (uint, int)[old.Length * 2];
            _shift = 64 - BitOperations.Log2((uint)_edges.Length);
            foreach (var (key, child) in old)
            {
                if (child != 0)
                    Insert(key, child);
            }
        }
        _values.Add(-1);
        Insert(((uint)node << 8) | b, _values.Count - 1);
        return _values.Count - 1;
    }

    private void Insert(uint key, int child)
    {
        int slot = (int)(key * Factor >> _shift);
        while (_edges[slot].Node != 0)
            slot = (slot + 1) & (_edges.Length - 1);
        _edges[slot] = (key, child);
    }
}
