using System.Collections.Concurrent;
using System.Runtime.InteropServices;
using System.Text;
using Generated.Tokenization.ByteLevel;
using Generated.Tokenization.Text;

namespace Generated.Tokenization.Bpe;

/// <summary>How a <see cref="BpeModel"/> cuts a text into its first symbols and what it does with unknown ones.</summary>
internal sealed record BpeOptions
{
    /// <summary>First symbols are single bytes, written in <see cref="ByteAlphabet"/> (byte-level BPE), instead of characters.</summary>
    public bool ByteSymbols { get; init; }

    /// <summary>Id of each byte's piece, for characters that are no piece; empty where there is no byte fallback.</summary>
    public int[] ByteIds { get; init; } = [];

    /// <summary>Id for a character that is no piece, or -1 to leave it out.</summary>
    public int UnknownId { get; init; } = -1;

    /// <summary>Whether neighbouring unknown characters give one id.</summary>
    public bool FuseUnknown { get; init; } = true;

    /// <summary>A text that is one of these pieces as a whole becomes that piece, whatever the merges say (tiktoken; <c>ignore_merges</c>).</summary>
    public Dictionary<string, int>? WholePieces { get; init; }

    /// <summary>Symbols that are taken whole and never merged.</summary>
    public ByteTrie? UserDefined { get; init; }

    /// <summary>Where a text that nothing has split into words may be cut before merging.</summary>
    public NeighbourFilter? Neighbours { get; init; }
}

/// <summary>
/// Byte-pair encoding of every kind. The merging is Microsoft.ML.Tokenizers'; here is what sentencepiece, GPT-2, tiktoken and Hugging
/// Face do around it and the library does not or not alike, and the memory of words that makes it fast.
/// </summary>
internal sealed class BpeModel(IMerger merger, BpeOptions options)
{
    private readonly ConcurrentBag<Worker> _idle = [];

    /// <summary>What encoding writes to: one for each caller at a time.</summary>
    public sealed class Worker
    {
        internal readonly WordCache Cache = new();
        internal readonly List<int> Ids = [];
        internal char[] Characters = new char[64];
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
        if (options.Neighbours is null)
        {
            EncodeChunk(text, isWhole: true, worker, ids, ref afterUnknown);
            return;
        }
        if (options.WholePieces is not null && FindWhole(Write(text, worker)) is { } whole)
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
        bool isShort = chunk.Length <= WordCache.LongestKey && (isWhole || options.WholePieces is null);
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
        if (isWhole && FindWhole(options.WholePieces is null ? default : Write(chunk, worker)) is { } whole)
            worker.Ids.Add(whole);
        else
            Merge(chunk, worker);
        var found = CollectionsMarshal.AsSpan(worker.Ids);
        Append(found, ids, ref afterUnknown);
        if (isShort)
            worker.Cache.Store(key, found);
    }

    private int? FindWhole(ReadOnlySpan<char> text)
        => options.WholePieces?.GetAlternateLookup<ReadOnlySpan<char>>().TryGetValue(text, out int id) == true ? id : null;

    /// <summary>Appends ids; negative ones (<see cref="IMerger"/>) stand for unknown characters, which may fuse with the one before.</summary>
    private void Append(ReadOnlySpan<int> found, List<int> ids, ref bool afterUnknown)
    {
        foreach (int id in found)
        {
            if (id >= 0)
                ids.Add(id);
            else if (options.ByteIds.Length > 0)
                AppendBytes(new Rune(~id), ids);
            else if (options.UnknownId >= 0 && !(afterUnknown && options.FuseUnknown))
                ids.Add(options.UnknownId);
            afterUnknown = id < 0;
        }
    }

    private void AppendBytes(Rune unknown, List<int> ids)
    {
        Span<byte> bytes = stackalloc byte[4];
        foreach (byte b in bytes[..unknown.EncodeToUtf8(bytes)])
            ids.Add(options.ByteIds[b]);
    }

    private void Merge(ReadOnlySpan<byte> chunk, Worker worker)
    {
        int start = 0;
        for (int position = 0; options.UserDefined is { } symbols && position < chunk.Length;)
        {
            int length = symbols.LongestPrefix(chunk[position..], out int id);
            if (length == 0)
            {
                position += Utf8.CharacterLength(chunk[position..]);
                continue;
            }
            if (position > start)
                merger.Merge(Write(chunk[start..position], worker), worker.Ids);
            worker.Ids.Add(id);
            position += length;
            start = position;
        }
        if (start < chunk.Length)
            merger.Merge(Write(chunk[start..], worker), worker.Ids);
    }

    /// <summary>Text as the merger reads it.</summary>
    private ReadOnlySpan<char> Write(ReadOnlySpan<byte> text, Worker worker)
    {
        if (worker.Characters.Length < text.Length)
            worker.Characters = new char[Math.Max(text.Length, 2 * worker.Characters.Length)];
        if (!options.ByteSymbols)
            return worker.Characters.AsSpan(0, Encoding.UTF8.GetChars(text, worker.Characters));
        for (int i = 0; i < text.Length; i++)
            worker.Characters[i] = ByteAlphabet.ToChar(text[i]);
        return worker.Characters.AsSpan(0, text.Length);
    }
}
