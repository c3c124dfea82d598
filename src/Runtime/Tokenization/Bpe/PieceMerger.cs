using System.Buffers;
using System.Text;
using Microsoft.ML.Tokenizers;

namespace Generated.Tokenization.Bpe;

/// <summary>
/// Sentencepiece and tiktoken: two neighbours merge if what they spell together is a piece, the best piece first, the leftmost of
/// equals. Done by the library's sentencepiece BPE.
/// </summary>
/// <remarks>
/// Of equal scores the library merges the rightmost first ("aaa" becomes "a aa" where sentencepiece makes "aa a"; version 2.0.1).
/// Nothing else about merging has a direction, so it is given mirror images: pieces and text reversed, its ids read backwards.
/// Tiktoken's files go this way too: the library's TiktokenTokenizer takes time quadratic in the length of a word.
/// </remarks>
internal sealed class PieceMerger : IMerger
{
    private readonly Microsoft.ML.Tokenizers.Tokenizer _library;
    private readonly (int Id, int Length)[] _pieces; // by the library's ids; the one after the last stands for an unknown character

    /// <param name="pieces">The pieces that merging may produce, each once; the highest score merges first.</param>
    /// <param name="modelName">For messages.</param>
    public PieceMerger(IEnumerable<(string Piece, float Score, int Id)> pieces, string modelName)
    {
        var all = pieces.ToList();
        _pieces = [.. all.Select(p => (p.Id, p.Piece.Length))];
        _library = LibraryModel.Create(LibraryModel.Kind.Bpe, all.Select(p => (Mirrored(p.Piece), p.Score, IsUserDefined: false)), modelName);
    }

    /// <inheritdoc/>
    public void Merge(ReadOnlySpan<char> chunk, List<int> ids)
    {
        char[] mirrored = ArrayPool<char>.Shared.Rent(chunk.Length);
        Mirror(chunk, mirrored);
        var found = _library.EncodeToIds(mirrored.AsSpan(0, chunk.Length), considerPreTokenization: false, considerNormalization: false);
        ArrayPool<char>.Shared.Return(mirrored);
        int position = 0;
        for (int i = found.Count - 1; i >= 0; i--)
        {
            if (found[i] < _pieces.Length)
            {
                var (id, length) = _pieces[found[i]];
                ids.Add(id);
                position += length;
            }
            else
            {
                Rune.DecodeFromUtf16(chunk[position..], out var rune, out int units);
                ids.Add(~rune.Value);
                position += units;
            }
        }
    }

    private static string Mirrored(string piece) => string.Create(piece.Length, piece, (target, source) => Mirror(source, target));

    /// <summary>Reverses the order of characters, not of the halves of a surrogate pair.</summary>
    private static void Mirror(ReadOnlySpan<char> source, Span<char> target)
    {
        source.CopyTo(target);
        target = target[..source.Length];
        target.Reverse();
        for (int i = 0; i + 1 < target.Length; i++)
        {
            if (char.IsSurrogatePair(target[i + 1], target[i]))
                (target[i], target[i + 1]) = (target[i + 1], target[i]);
        }
    }
}
