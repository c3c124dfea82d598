using System.Buffers;
using System.Text;
using Microsoft.ML.Tokenizers;

namespace Generated.Tokenization.Bpe;

/// <summary>GPT-2 and Hugging Face: an explicit list of pairs, merged in that order, the leftmost of equals first. Done by the library's BPE.</summary>
/// <remarks>
/// The library's time is quadratic in the length of a chunk, so a long one is encoded in windows. Tokens that stand side by side are
/// the encoding of a text exactly if each two neighbours are the encoding of theirs: as long as nothing merges across a boundary, both
/// sides merge as they would alone, and the first merge across any boundary would also happen in those two tokens alone. So the
/// first half of a window's tokens is kept if its first token and the last one kept before encode to themselves.
/// </remarks>
internal sealed class PairMerger : IMerger
{
    private const int FirstWindow = 1024;

    private readonly BpeTokenizer _library;
    private readonly int[] _lengths; // of each token, in UTF-16 units
    private readonly int _unknown;
    private readonly int _firstWindow;

    // The library takes pairs as text with a space between; a space within a token changes places with a character that no token has.
    private readonly char _space = ' ';

    /// <param name="idOf">The vocabulary.</param>
    /// <param name="merges">Pairs of tokens that are in it, as is what they merge to; of a pair named twice the last counts, as in the original.</param>
    /// <param name="firstWindow">Characters encoded at once; doubled where a cut cannot be made.</param>
    public PairMerger(IReadOnlyDictionary<string, int> idOf, IReadOnlyList<(string Left, string Right)> merges, int firstWindow = FirstWindow)
    {
        _firstWindow = firstWindow;
        if (idOf.Keys.Any(token => token.Contains(' ')))
        {
            var used = idOf.Keys.SelectMany(token => token).ToHashSet();
            for (_space = '\uFFFF'; used.Contains(_space); _space--)
            {
            }
        }
        _unknown = idOf.Values.Max() + 1;
        _lengths = new int[_unknown];
        foreach (var (token, id) in idOf)
            _lengths[id] = token.Length;
        string unknown = "";
        while (idOf.ContainsKey(unknown))
            unknown += "unknown";
        _library = BpeTokenizer.Create(new Microsoft.ML.Tokenizers.BpeOptions(idOf.Select(entry => KeyValuePair.Create(Swapped(entry.Key), entry.Value)).Append(new(unknown, _unknown)))
        {
            Merges = merges.Where(pair => pair.Left.Length > 0 && pair.Right.Length > 0).Reverse().Distinct().Reverse()
                .Select(pair => $"{Swapped(pair.Left)} {Swapped(pair.Right)}"),
            UnknownToken = unknown,
        });
    }

    /// <inheritdoc/>
    public void Merge(ReadOnlySpan<char> chunk, List<int> ids)
    {
        var found = chunk.Length <= 2 * _firstWindow ? Encode(chunk) : EncodeInWindows(chunk);
        int position = 0;
        for (int i = 0; i < found.Count; i++)
        {
            if (found[i] == _unknown)
            {
                Rune.DecodeFromUtf16(chunk[position..], out var rune, out _);
                ids.Add(~rune.Value);
            }
            else
            {
                ids.Add(found[i]);
            }
            position += Length(found[i], chunk[position..]);
        }
    }

    private List<int> EncodeInWindows(ReadOnlySpan<char> text)
    {
        var kept = new List<int>();
        var starts = new List<int>(); // of the tokens kept
        int start = 0, window = _firstWindow;
        while (start < text.Length)
        {
            int end = (int)Math.Min(start + (long)window, text.Length);
            if (end < text.Length && char.IsSurrogatePair(text[end - 1], text[end]))
                end++;
            var found = Encode(text[start..end]);
            int count = end == text.Length ? found.Count : found.Count / 2;
            bool joins = kept.Count == 0 || Encode(text[starts[^1]..(start + Length(found[0], text[start..]))]).SequenceEqual([kept[^1], found[0]]);
            if (!joins)
            {
                start = starts[^1];
                kept.RemoveAt(kept.Count - 1);
                starts.RemoveAt(starts.Count - 1);
            }
            if (!joins || count == 0)
            {
                // Never made smaller again, so that this ends: at the latest with the whole text in one window.
                window = (int)Math.Min(2L * window, text.Length);
                continue;
            }
            foreach (int token in found.Take(count))
            {
                kept.Add(token);
                starts.Add(start);
                start += Length(token, text[start..]);
            }
        }
        return kept;
    }

    private IReadOnlyList<int> Encode(ReadOnlySpan<char> text)
    {
        if (_space == ' ' || !text.ContainsAny(' ', _space))
            return _library.EncodeToIds(text, considerPreTokenization: false, considerNormalization: false);
        char[] swapped = ArrayPool<char>.Shared.Rent(text.Length);
        Swap(text, swapped);
        var ids = _library.EncodeToIds(swapped.AsSpan(0, text.Length), considerPreTokenization: false, considerNormalization: false);
        ArrayPool<char>.Shared.Return(swapped);
        return ids;
    }

    private int Length(int token, ReadOnlySpan<char> text)
        => token != _unknown ? _lengths[token] : text.Length > 1 && char.IsSurrogatePair(text[0], text[1]) ? 2 : 1;

    private string Swapped(string token) => string.Create(token.Length, token, (target, source) => Swap(source, target));

    private void Swap(ReadOnlySpan<char> source, Span<char> target)
    {
        for (int i = 0; i < source.Length; i++)
            target[i] = source[i] == ' ' ? _space : source[i] == _space ? ' ' : source[i];
    }
}
