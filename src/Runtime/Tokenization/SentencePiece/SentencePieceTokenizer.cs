using System.Text;
using Generated.Tokenization.Bpe;
using Generated.Tokenization.Text;

namespace Generated.Tokenization.SentencePiece;

/// <summary>A sentencepiece model, BPE or unigram, with the tokens that a checkpoint adds to it.</summary>
internal class SentencePieceTokenizer : Tokenizer
{
    private readonly SentencePieceModel _model;
    private readonly Normalizer _normalizer;
    private readonly Dictionary<string, int> _idOf = [];
    private readonly BpeModel? _bpe;
    private readonly UnigramModel? _unigram;

    public SentencePieceTokenizer(SentencePieceModel model, SpecialTokens special) : base(special)
    {
        _model = model;
        var userDefined = new ByteTrie();
        string[] pieces = [.. model.Pieces.Select(piece => Encoding.UTF8.GetString(piece))];
        for (int id = 0; id < pieces.Length; id++)
        {
            if (model.Kinds[id] is not (PieceKind.Normal or PieceKind.UserDefined or PieceKind.Unused))
                continue;
            if (!_idOf.TryAdd(pieces[id], id))
                throw new InvalidInputException($"{model.Name} is damaged: piece {id} is there twice.");
            if (model.Kinds[id] == PieceKind.UserDefined)
                userDefined.TryAdd(model.Pieces[id], id);
        }
        _normalizer = new Normalizer(model, userDefined);
        if (model.IsBpe)
            _bpe = CreateBpe(model, pieces, userDefined);
        else
            _unigram = new UnigramModel(model, pieces);
        // What is no piece of text can still be named.
        for (int id = 0; id < pieces.Length; id++)
            _idOf.TryAdd(pieces[id], id);
        VocabSize = Math.Max(model.Pieces.Count, special.Added.Count == 0 ? 0 : special.Added.Max(t => t.Id) + 1);
    }

    public override int VocabSize { get; }

    /// <summary>The text as it is before it is cut into pieces ("Normalize" of the original).</summary>
    internal string Normalize(string text)
    {
        var normalized = new ByteBuffer(text.Length + 16);
        _normalizer.Normalize(Utf8.Bytes(text), normalized);
        return Encoding.UTF8.GetString(normalized.Span);
    }

    protected override void EncodeText(string text, List<int> ids)
    {
        if (text.Length == 0)
            return;
        var utf8 = new ByteBuffer(text.Length + 16);
        utf8.AddUtf8(text);
        var normalized = new ByteBuffer(utf8.Length + utf8.Length / 2 + 16);
        _normalizer.Normalize(utf8.Span, normalized);
        _unigram?.Encode(normalized.Span, ids);
        if (_bpe is not null)
        {
            var worker = _bpe.Rent();
            _bpe.Encode(normalized.Span, worker, ids);
            _bpe.Return(worker);
        }
    }

    protected override TokenDecoder CreateDecoder(bool skipSpecial) => new Decoder(this, _model, skipSpecial);

    protected override int? FindPiece(string piece) => _idOf.TryGetValue(piece, out int id) ? id : null;

    protected override string? PieceText(int id)
        => id >= 0 && id < _model.Pieces.Count ? Encoding.UTF8.GetString(_model.Pieces[id]) : null;

    private static BpeModel CreateBpe(SentencePieceModel model, string[] pieces, ByteTrie userDefined)
    {
        // User-defined symbols are found in text before anything merges, so that merging never spells one.
        var normal = Enumerable.Range(0, pieces.Length).Where(id => model.Kinds[id] == PieceKind.Normal);
        var neighbours = pieces.Where((_, id) => model.Kinds[id] is PieceKind.Normal or PieceKind.UserDefined);
        return new BpeModel(new PieceMerger(normal.Select(id => (pieces[id], model.Scores[id], id)), model.Name), new BpeOptions
        {
            ByteIds = model.IdOfByte,
            UnknownId = model.UnknownId,
            UserDefined = userDefined.IsEmpty ? null : userDefined,
            Neighbours = new NeighbourFilter(neighbours),
        });
    }

    /// <summary>Decoding as sentencepiece_processor.cc does it: byte pieces collect, the dummy prefix goes, unknown shows " ⁇ ".</summary>
    private sealed class Decoder(SentencePieceTokenizer owner, SentencePieceModel model, bool skipSpecial) : TokenDecoder(replaceEachByte: true)
    {
        private readonly ByteBuffer _piece = new(64);
        private bool _prefixSeen;

        protected override void Reset()
        {
            base.Reset();
            _prefixSeen = false;
        }

        protected override void Append(int id)
        {
            bool isPiece = id >= 0 && id < model.Pieces.Count;
            var added = owner.AddedById(id);
            if (isPiece && model.Kinds[id] == PieceKind.Byte)
            {
                Emit([(byte)model.ByteOfId[id]]);
                return;
            }
            EndCharacter();
            bool isSpecial = added is { IsSpecial: true } || (isPiece && model.Kinds[id] == PieceKind.Control);
            bool expectsPrefix = IsAtStart && !_prefixSeen;
            if (isPiece && model.Kinds[id] == PieceKind.Unknown)
                Emit(model.UnknownSurface);
            else if (isSpecial && skipSpecial)
                return;
            else if (added is not null)
                Emit(Utf8.Bytes(added.Content));
            else if (isPiece)
                EmitPiece(model.Pieces[id], expectsPrefix);
        }

        private void EmitPiece(ReadOnlySpan<byte> piece, bool expectsPrefix)
        {
            if (expectsPrefix && (model.AddDummyPrefix || model.RemoveExtraWhitespaces) && piece.StartsWith(Normalizer.Space))
            {
                piece = piece[Normalizer.Space.Length..];
                // Where extra spaces are removed, every leading one goes, also those of the pieces that follow.
                _prefixSeen |= !model.RemoveExtraWhitespaces;
            }
            _piece.Clear();
            for (int space = piece.IndexOf(Normalizer.Space); space >= 0; space = piece.IndexOf(Normalizer.Space))
            {
                _piece.Add(piece[..space]);
                _piece.Add((byte)' ');
                piece = piece[(space + Normalizer.Space.Length)..];
            }
            _piece.Add(piece);
            Emit(_piece.Span);
        }
    }
}
