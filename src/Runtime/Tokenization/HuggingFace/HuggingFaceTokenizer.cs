using Generated.Tokenization.Bpe;
using Generated.Tokenization.Text;

namespace Generated.Tokenization.HuggingFace;

/// <summary>A tokenizer.json with a BPE model: LLaMA's form of it and byte-level ones (Bloom, Qwen2, Llama 3, ...).</summary>
internal sealed class HuggingFaceTokenizer : Tokenizer
{
    private readonly TokenizerDefinition _definition;
    private readonly BpeModel _bpe;
    private readonly AddedTokens _inRawText;
    private readonly AddedTokens _inNormalizedText;
    private readonly DecodedToken?[] _decoded;

    public HuggingFaceTokenizer(TokenizerDefinition definition, SpecialTokens special) : base(special)
    {
        _definition = definition;
        _bpe = new BpeModel(new PairMerger(definition.IdOf, definition.Merges), definition.Options);
        _inRawText = new AddedTokens(special.Added.Where(t => !t.Normalized));
        // The original normalizes the token too, so that with a prepended "▁" it is found at the beginning of a text only.
        _inNormalizedText = new AddedTokens(special.Added.Where(t => t.Normalized), t => Normalize(t.Content));
        VocabSize = Math.Max(definition.Tokens.Length, special.Added.Count == 0 ? 0 : special.Added.Max(t => t.Id) + 1);
        _decoded = new DecodedToken?[VocabSize];
    }

    public override int VocabSize { get; }

    /// <summary>As <see cref="Tokenizer.Encode"/>: this kind of tokenizer recognises its added tokens in every text.</summary>
    public override IReadOnlyList<int> EncodePrompt(string prompt) => Encode(prompt);

    public override string Decode(IReadOnlyList<int> ids, bool skipSpecial = true)
    {
        ArgumentNullException.ThrowIfNull(ids);
        return new Decoder(this, skipSpecial, wholeRuns: true).DecodeAll(ids);
    }

    protected override void EncodeText(string text, List<int> ids)
    {
        var words = new WordBuffers(_bpe.Rent());
        foreach (var raw in _inRawText.Split(text))
        {
            if (raw.Token is { } token)
            {
                ids.Add(token.Id);
                continue;
            }
            string normalized = Normalize(raw.Start == 0 && raw.End == text.Length ? text : text[raw.Start..raw.End]);
            foreach (var part in _inNormalizedText.Split(normalized))
            {
                if (part.Token is { } normalizedToken)
                    ids.Add(normalizedToken.Id);
                else
                    EncodeWords(new Piece(normalized.AsMemory()[part.Start..part.End], raw.Start == 0 && part.Start == 0), words, ids);
            }
        }
        _bpe.Return(words.Worker);
    }

    protected override TokenDecoder CreateDecoder(bool skipSpecial) => new Decoder(this, skipSpecial, wholeRuns: false);

    protected override int? FindPiece(string piece) => _definition.IdOf.TryGetValue(piece, out int id) ? id : null;

    protected override string? PieceText(int id) => id >= 0 && id < _definition.Tokens.Length ? _definition.Tokens[id] : null;

    private sealed class WordBuffers(BpeModel.Worker worker)
    {
        public readonly BpeModel.Worker Worker = worker;
        public List<Piece> Pieces = [];
        public List<Piece> Next = [];
        public readonly ByteBuffer Utf8 = new();
    }

    private string Normalize(string text)
    {
        foreach (var step in _definition.Normalizers)
            text = step(text);
        return text;
    }

    private void EncodeWords(Piece text, WordBuffers buffers, List<int> ids)
    {
        buffers.Pieces.Clear();
        buffers.Pieces.Add(text);
        foreach (var step in _definition.PreTokenizers)
        {
            buffers.Next.Clear();
            foreach (var piece in buffers.Pieces)
                step.Split(piece, buffers.Next);
            (buffers.Pieces, buffers.Next) = (buffers.Next, buffers.Pieces);
        }
        foreach (var piece in buffers.Pieces)
        {
            buffers.Utf8.Clear();
            buffers.Utf8.AddUtf8(piece.Text.Span);
            _bpe.Encode(buffers.Utf8.Span, buffers.Worker, ids);
        }
    }

    /// <summary>What a token decodes to; worked out when it is first needed (threads that race store equal values).</summary>
    private DecodedToken Decoded(int id)
    {
        if (id < 0 || id >= _decoded.Length || IdToToken(id) is not { } token)
            return DecodedToken.Nothing;
        return _decoded[id] ??= new DecodedToken(_definition.Decoder.BytesOf(token, out bool isByte), isByte);
    }

    private sealed record DecodedToken(byte[] Bytes, bool IsByte)
    {
        public static readonly DecodedToken Nothing = new([], false);
    }

    /// <summary>Decodes token by token. In a whole sequence, a run of byte tokens that is no valid UTF-8 is replaced entirely, as in the original.</summary>
    private sealed class Decoder(HuggingFaceTokenizer owner, bool skipSpecial, bool wholeRuns) : TokenDecoder(replaceEachByte: !owner._definition.Decoder.IsByteLevel)
    {
        private readonly DecoderSteps _steps = owner._definition.Decoder;
        private readonly ByteBuffer _run = new();
        private int _strip = owner._definition.Decoder.StripCount;

        protected override void Reset()
        {
            base.Reset();
            _run.Clear();
            _strip = _steps.StripCount;
        }

        protected override void Append(int id)
        {
            if (skipSpecial && owner.AddedById(id) is { IsSpecial: true })
                return;
            var (bytes, isByte) = owner.Decoded(id);
            if (isByte && wholeRuns)
            {
                _run.Add(bytes);
                return;
            }
            if (!isByte && !_steps.IsByteLevel)
                EndCharacter();
            EmitStripped(bytes);
        }

        protected override void EndCharacter()
        {
            if (_run.Length > 0)
            {
                bool isValid = Utf8.IsValid(_run.Span);
                for (int i = 0; !isValid && i < _run.Length; i++)
                    Emit("\uFFFD"u8);
                if (isValid)
                    EmitStripped(_run.Span);
                _run.Clear();
            }
            base.EndCharacter();
        }

        private void EmitStripped(ReadOnlySpan<byte> bytes)
        {
            while (_strip > 0 && !bytes.IsEmpty)
            {
                if (bytes[0] != _steps.StripByte)
                {
                    _strip = 0;
                    break;
                }
                bytes = bytes[1..];
                _strip--;
            }
            Emit(bytes);
        }
    }
}
