using System.Collections.Concurrent;
using System.Runtime.InteropServices;
using Generated.Tokenization.Text;

namespace Generated.Tokenization.Bpe;

/// <summary>How a <see cref="BpeModel{TTable}"/> cuts a text into its first symbols and what it does with unknown ones.</summary>
internal sealed record BpeOptions
{
    /// <summary>First symbols are single bytes (byte-level BPE) instead of characters.</summary>
    public bool ByteSymbols { get; init; }

    /// <summary>Id of each byte's piece, for characters that are no piece; empty where there is no byte fallback.</summary>
    public int[] ByteIds { get; init; } = [];

    /// <summary>Id for a character that is no piece, or -1 to leave it out.</summary>
    public int UnknownId { get; init; } = -1;

    /// <summary>Whether neighbouring unknown characters give one id.</summary>
    public bool FuseUnknown { get; init; } = true;

    /// <summary>A text that is a piece as a whole becomes that piece, whatever the merges say (tiktoken; <c>ignore_merges</c>).</summary>
    public bool WholePieceFirst { get; init; }

    /// <summary>Symbols that are taken whole and never merged.</summary>
    public ByteTrie? UserDefined { get; init; }

    /// <summary>Where a text may be cut before merging.</summary>
    public NeighbourFilter? Neighbours { get; init; }
}

/// <summary>Byte-pair encoding of every kind: sentencepiece, GPT-2, tiktoken and Hugging Face differ in table and options only.</summary>
/// <remarks>
/// Microsoft.ML.Tokenizers is not used for this. Against the recorded vectors its sentencepiece BPE differs in every model
/// (9 of 357 for LLaMA up to 217 of 357 for GLM: order of equal scores, character normalization, user-defined symbols), it has no
/// tokenizer.json, and its byte-level BPE, which agrees, is slower than this class (benchmarks/TokenizerBenchmarks.cs).
/// One core that serves all four kinds is less code than the repairs would be. The tests still compare with the library,
/// and only they and the benchmarks reference it.
/// </remarks>
internal sealed class BpeModel<TTable>(ByteMap pieces, TTable merges, BpeOptions options) where TTable : IMergeTable
{
    private readonly ConcurrentBag<Worker> _idle = [];
    private readonly int[] _byteSymbols = options.ByteSymbols ? [.. Enumerable.Range(0, 256).Select(b => pieces.Find([(byte)b]))] : [];

    /// <summary>What encoding writes to: one for each caller at a time.</summary>
    public sealed class Worker
    {
        internal readonly WordCache Cache = new();
        internal readonly MergeQueue Queue = new();
        internal readonly List<int> Ids = [];
    }

    /// <summary>Takes a worker for a text; give it back with <see cref="Return"/>, since it remembers words.</summary>
    public Worker Rent() => _idle.TryTake(out var worker) ? worker : new Worker();

    public void Return(Worker worker) => _idle.Add(worker);

    /// <summary>Appends the ids of one pre-token (or of the whole text, where nothing splits it).</summary>
    public void Encode(ReadOnlySpan<byte> text, Worker worker, List<int> ids)
    {
        if (text.IsEmpty)
            return;
        bool afterUnknown = false;
        // A short word is best remembered whole; a longer one, or a text that nothing has split into words, in parts.
        if (options.Neighbours is null || (options.ByteSymbols && text.Length <= WordCache.LongestKey))
        {
            EncodeChunk(text, isWhole: true, worker, ids, ref afterUnknown);
            return;
        }
        if (options.WholePieceFirst && pieces.Find(text) is >= 0 and int whole)
        {
            ids.Add(whole);
            return;
        }
        for (int start = 0; start < text.Length;)
        {
            int end = options.Neighbours.ChunkEnd(text, start);
            EncodeChunk(text[start..end], isWhole: false, worker, ids, ref afterUnknown);
            start = end;
        }
    }

    private void EncodeChunk(ReadOnlySpan<byte> chunk, bool isWhole, Worker worker, List<int> ids, ref bool afterUnknown)
    {
        var key = default(WordCache.Key);
        // Where whole words go first, a part of a word may have other ids than the same text as a word; only words are remembered then.
        bool isShort = chunk.Length <= WordCache.LongestKey && (isWhole || !options.WholePieceFirst);
        if (isShort)
        {
            key = WordCache.KeyOf(chunk);
            if (worker.Cache.TryGet(key, out var known))
            {
                Append(known, ids, ref afterUnknown);
                return;
            }
        }
        worker.Ids.Clear();
        if (options.WholePieceFirst && isWhole && pieces.Find(chunk) is >= 0 and int whole)
            worker.Ids.Add(whole);
        else
            Merge(chunk, worker.Queue, worker.Ids);
        var found = CollectionsMarshal.AsSpan(worker.Ids);
        Append(found, ids, ref afterUnknown);
        if (isShort)
            worker.Cache.Store(key, found);
    }

    /// <summary>Appends ids; <see cref="MergeQueue.NoPiece"/> stands for an unknown character, which may fuse with the one before.</summary>
    private void Append(ReadOnlySpan<int> found, List<int> ids, ref bool afterUnknown)
    {
        foreach (int id in found)
        {
            if (id >= 0)
                ids.Add(id);
            else if (options.UnknownId >= 0 && !(afterUnknown && options.FuseUnknown))
                ids.Add(options.UnknownId);
            afterUnknown = id < 0;
        }
    }

    private void Merge(ReadOnlySpan<byte> chunk, MergeQueue queue, List<int> ids)
    {
        queue.Clear();
        if (options.ByteSymbols)
        {
            for (int i = 0; i < chunk.Length; i++)
                queue.Add(i, 1, _byteSymbols[chunk[i]]);
        }
        else
        {
            AddCharacters(chunk, queue);
        }
        queue.Run(chunk, merges);
        foreach (var (start, length, id) in queue)
        {
            if (id < 0 && options.ByteIds.Length > 0)
            {
                foreach (byte b in chunk.Slice(start, length))
                    ids.Add(options.ByteIds[b]);
            }
            else
            {
                ids.Add(id);
            }
        }
    }

    private void AddCharacters(ReadOnlySpan<byte> chunk, MergeQueue queue)
    {
        for (int start = 0; start < chunk.Length;)
        {
            int id = MergeQueue.NoPiece;
            int length = options.UserDefined?.LongestPrefix(chunk[start..], out id) ?? 0;
            bool frozen = length > 0;
            if (!frozen)
            {
                length = Utf8.CharacterLength(chunk[start..]);
                id = pieces.Find(chunk.Slice(start, length));
            }
            queue.Add(start, length, id, frozen);
            start += length;
        }
    }
}
