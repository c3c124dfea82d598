using System.Text;
using Generated.Tokenization.Bpe;
using Generated.Tokenization.Text;

namespace Generated.Tokenization.SentencePiece;

/// <summary>Unigram segmentation: the sequence of pieces with the best sum of scores, found by the library.</summary>
/// <remarks>
/// Sums are of single precision, and in a long text their rounding decides between paths; so the text is not cut into parts.
/// Unknown characters are worked out here: the library inserts byte pieces into its result one by one, which takes quadratic time.
/// </remarks>
internal sealed class UnigramModel
{
    private readonly Microsoft.ML.Tokenizers.Tokenizer _library;
    private readonly (int Id, int Length)[] _pieces; // by the library's ids; lengths in bytes
    private readonly int _unknownId;
    private readonly int[] _byteIds;

    /// <param name="model">The model.</param>
    /// <param name="pieces">Its pieces as text.</param>
    public UnigramModel(SentencePieceModel model, string[] pieces)
    {
        int[] usable = [.. Enumerable.Range(0, pieces.Length).Where(id => model.Kinds[id] is PieceKind.Normal or PieceKind.UserDefined)];
        float best = usable.Where(id => model.Kinds[id] == PieceKind.Normal).Select(id => model.Scores[id]).DefaultIfEmpty().Max();
        _pieces = [.. usable.Select(id => (id, Encoding.UTF8.GetByteCount(pieces[id])))];
        _unknownId = model.UnknownId;
        _byteIds = model.IdOfByte;
        // The score of a user-defined symbol follows from its length. What its entry says must not count among the others' lowest
        // and highest, as it would in the library.
        _library = LibraryModel.Create(
            LibraryModel.Kind.Unigram,
            usable.Select(id => model.Kinds[id] == PieceKind.Normal ? (pieces[id], model.Scores[id], false) : (pieces[id], best, true)),
            model.Name);
    }

    /// <summary>Appends the ids of a normalized text.</summary>
    public void Encode(ReadOnlySpan<byte> text, List<int> ids)
    {
        if (text.IsEmpty)
            return;
        string characters = Encoding.UTF8.GetString(text);
        if (!Utf8.IsValid(text))
            text = Utf8.Bytes(characters); // a damaged normalization table
        int position = 0;
        bool afterUnknown = false;
        foreach (int found in _library.EncodeToIds(characters, considerPreTokenization: false, considerNormalization: false))
        {
            bool isUnknown = found == _pieces.Length;
            int length = isUnknown ? Utf8.CharacterLength(text[position..]) : _pieces[found].Length;
            if (!isUnknown)
            {
                ids.Add(_pieces[found].Id);
            }
            else if (_byteIds.Length > 0)
            {
                foreach (byte b in text.Slice(position, length))
                    ids.Add(_byteIds[b]);
            }
            else if (!afterUnknown)
            {
                ids.Add(_unknownId);
            }
            position += length;
            afterUnknown = isUnknown;
        }
    }
}
