namespace Generated.Tokenization.Bpe;

/// <summary>
/// Byte-pair merging of one chunk: always the lowest rank, the leftmost of equals. A short chunk is scanned for it, a long one
/// keeps its candidate pairs in a heap, so that n symbols cost O(n log n) whatever they are. Reused between chunks; not thread-safe.
/// </summary>
internal sealed class MergeQueue
{
    /// <summary>Id of a symbol that is no piece.</summary>
    public const int NoPiece = -1;

    private const int NoMerge = int.MaxValue;

    private const int ShortChunk = 24;

    private Symbol[] _symbols = new Symbol[64];
    private Candidate[] _heap = new Candidate[64];
    private int _symbolCount;
    private int _heapCount;

    private struct Symbol
    {
        public int Start;
        public int Length;   // 0 once it has been merged into its left neighbour
        public int Id;
        public int Previous;
        public int Next;
        public bool Frozen;  // a user-defined symbol: never merged
    }

    private readonly record struct Candidate(int Rank, int Left, int Length, int Id)
    {
        public bool Before(in Candidate other) => Rank < other.Rank || (Rank == other.Rank && Left < other.Left);
    }

    /// <summary>Forgets the last chunk.</summary>
    public void Clear() => _symbolCount = 0;

    /// <summary>Appends a symbol to the chunk.</summary>
    public void Add(int start, int length, int id, bool frozen = false)
    {
        if (_symbolCount == _symbols.Length)
            Array.Resize(ref _symbols, _symbols.Length * 2);
        _symbols[_symbolCount] = new Symbol
        {
            Start = start,
            Length = length,
            Id = id,
            Frozen = frozen,
            Previous = _symbolCount - 1,
            Next = _symbolCount + 1,
        };
        _symbolCount++;
    }

    /// <summary>Merges until no pair is left.</summary>
    /// <param name="text">The bytes that the symbols' positions refer to.</param>
    /// <param name="table">The merges.</param>
    public void Run<TTable>(ReadOnlySpan<byte> text, TTable table) where TTable : IMergeTable
    {
        if (_symbolCount == 0)
            return;
        _symbols[_symbolCount - 1].Next = -1;
        if (_symbolCount <= ShortChunk)
            RunShort(text, table);
        else
            RunLong(text, table);
    }

    /// <summary>Merges a short chunk in place: what stays is moved together at the front of the symbols.</summary>
    private void RunShort<TTable>(ReadOnlySpan<byte> text, TTable table) where TTable : IMergeTable
    {
        Span<int> ranks = stackalloc int[ShortChunk]; // of the pair that begins at each symbol
        Span<int> ids = stackalloc int[ShortChunk];   // what it would merge to
        var symbols = _symbols.AsSpan(0, _symbolCount);
        int count = symbols.Length;
        for (int i = 0; i + 1 < count; i++)
            ranks[i] = Rank(text, table, symbols[i], symbols[i + 1], out ids[i]);

        while (count > 1)
        {
            int best = 0;
            for (int i = 1; i < count - 1; i++)
                best = ranks[i] < ranks[best] ? i : best;
            if (ranks[best] == NoMerge)
                break;
            symbols[best].Length += symbols[best + 1].Length;
            symbols[best].Id = ids[best];
            count--;
            for (int i = best + 1; i < count; i++)
            {
                symbols[i] = symbols[i + 1];
                ranks[i] = ranks[i + 1];
                ids[i] = ids[i + 1];
            }
            if (best + 1 < count)
                ranks[best] = Rank(text, table, symbols[best], symbols[best + 1], out ids[best]);
            if (best > 0)
                ranks[best - 1] = Rank(text, table, symbols[best - 1], symbols[best], out ids[best - 1]);
        }
        for (int i = 0; i < count; i++)
            symbols[i].Next = i + 1 < count ? i + 1 : -1;
    }

    private static int Rank<TTable>(ReadOnlySpan<byte> text, TTable table, in Symbol left, in Symbol right, out int id) where TTable : IMergeTable
    {
        id = NoPiece;
        int rank = NoMerge;
        bool merges = !left.Frozen && !right.Frozen
            && table.TryMerge(left.Id, right.Id, text.Slice(left.Start, left.Length + right.Length), out rank, out id);
        return merges ? rank : NoMerge;
    }

    private void RunLong<TTable>(ReadOnlySpan<byte> text, TTable table) where TTable : IMergeTable
    {
        _heapCount = 0;
        for (int left = 0; left + 1 < _symbolCount; left++)
            Offer(text, table, left, left + 1);

        while (_heapCount > 0)
        {
            var best = Pop();
            ref var left = ref _symbols[best.Left];
            // A candidate is stale if either of its symbols has been merged since: then the two no longer have its length.
            if (left.Length == 0 || left.Next < 0 || left.Length + _symbols[left.Next].Length != best.Length)
                continue;
            ref var right = ref _symbols[left.Next];
            left.Length = best.Length;
            left.Id = best.Id;
            right.Length = 0;
            left.Next = right.Next;
            if (left.Next >= 0)
            {
                _symbols[left.Next].Previous = best.Left;
                Offer(text, table, best.Left, left.Next);
            }
            if (left.Previous >= 0)
                Offer(text, table, left.Previous, best.Left);
        }
    }

    /// <summary>The merged symbols from left to right, as (start, length, id).</summary>
    public Enumerator GetEnumerator() => new(this);

    public struct Enumerator(MergeQueue queue)
    {
        private int _next = queue._symbolCount > 0 ? 0 : -1;

        public (int Start, int Length, int Id) Current { get; private set; }

        public bool MoveNext()
        {
            if (_next < 0)
                return false;
            ref readonly var symbol = ref queue._symbols[_next];
            Current = (symbol.Start, symbol.Length, symbol.Id);
            _next = symbol.Next;
            return true;
        }
    }

    private void Offer<TTable>(ReadOnlySpan<byte> text, TTable table, int left, int right) where TTable : IMergeTable
    {
        int rank = Rank(text, table, _symbols[left], _symbols[right], out int id);
        if (rank != NoMerge)
            Push(new Candidate(rank, left, _symbols[left].Length + _symbols[right].Length, id));
    }

    private void Push(in Candidate candidate)
    {
        if (_heapCount == _heap.Length)
            Array.Resize(ref _heap, _heap.Length * 2);
        int child = _heapCount++;
        while (child > 0)
        {
            int parent = (child - 1) >> 1;
            if (!candidate.Before(_heap[parent]))
                break;
            _heap[child] = _heap[parent];
            child = parent;
        }
        _heap[child] = candidate;
    }

    private Candidate Pop()
    {
        var best = _heap[0];
        var last = _heap[--_heapCount];
        int parent = 0;
        for (int child = 1; child < _heapCount; child = 2 * parent + 1)
        {
            if (child + 1 < _heapCount && _heap[child + 1].Before(_heap[child]))
                child++;
            if (!_heap[child].Before(last))
                break;
            _heap[parent] = _heap[child];
            parent = child;
        }
        _heap[parent] = last;
        return best;
    }
}
