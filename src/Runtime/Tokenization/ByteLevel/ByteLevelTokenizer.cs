using Generated.Tokenization.Bpe;
using Generated.Tokenization.Splitting;
using Generated.Tokenization.Text;

namespace Generated.Tokenization.ByteLevel;

/// <summary>Byte-level BPE over words: GPT-2, OPT (vocab.json and merges.txt) and tiktoken files (Qwen).</summary>
/// <param name="vocabulary">The tokens.</param>
/// <param name="merger">How their bytes merge.</param>
/// <param name="splitter">What a word is.</param>
/// <param name="special">Special tokens.</param>
/// <param name="options">Where the families differ.</param>
internal sealed class ByteLevelTokenizer(
    ByteLevelVocabulary vocabulary, IMerger merger, WordSplitter splitter, SpecialTokens special, ByteLevelOptions options)
    : Tokenizer(special)
{
    private readonly BpeModel _bpe = new(merger, new BpeOptions
    {
        ByteSymbols = true,
        WholePieces = options.WholeWordFirst ? vocabulary.Ids : null,
    });

    public override int VocabSize { get; } = Math.Max(vocabulary.Count, special.Added.Count == 0 ? 0 : special.Added.Max(t => t.Id) + 1);

    public override IReadOnlyList<int> Encode(string text, bool addSpecial = false)
        => addSpecial && options.RecognisesSpecial ? EncodePrompt(text) : base.Encode(text, addSpecial);

    protected override void EncodeText(string text, List<int> ids)
    {
        ReadOnlySpan<char> rest = options.Nfc ? Nfc.Normalize(text) : text;
        var utf8 = new ByteBuffer(256);
        var worker = _bpe.Rent();
        for (int start = 0; start < rest.Length;)
        {
            int end = splitter.WordEnd(rest, start);
            utf8.Clear();
            utf8.AddUtf8(rest[start..end]);
            _bpe.Encode(utf8.Span, worker, ids);
            start = end;
        }
        _bpe.Return(worker);
    }

    protected override TokenDecoder CreateDecoder(bool skipSpecial) => new Decoder(this, vocabulary, skipSpecial);

    protected override int? FindPiece(string piece)
        => vocabulary.Ids.TryGetValue(options.WritesBytes ? piece : ByteAlphabet.Write(Utf8.Bytes(piece)), out int id) ? id : null;

    protected override string? PieceText(int id)
    {
        var bytes = vocabulary[id];
        return bytes.IsEmpty ? null : options.WritesBytes ? ByteAlphabet.Write(bytes) : System.Text.Encoding.UTF8.GetString(bytes);
    }

    private sealed class Decoder(ByteLevelTokenizer owner, ByteLevelVocabulary vocabulary, bool skipSpecial)
        : TokenDecoder(replaceEachByte: false)
    {
        protected override void Append(int id)
        {
            if (owner.AddedById(id) is { } added)
            {
                if (!(skipSpecial && added.IsSpecial))
                    Emit(Utf8.Bytes(added.Content));
            }
            else
            {
                Emit(vocabulary[id]);
            }
        }
    }
}

/// <summary>Differences between byte-level tokenizers.</summary>
internal sealed record ByteLevelOptions
{
    /// <summary>Text is normalized to NFC first (Qwen).</summary>
    public bool Nfc { get; init; }

    /// <summary>A word that is a token stays whole, whatever the merges say (tiktoken).</summary>
    public bool WholeWordFirst { get; init; }

    /// <summary>Where special tokens are asked for, those named in the text are what is meant (Qwen's own default; it adds none).</summary>
    public bool RecognisesSpecial { get; init; }

    /// <summary>The vocabulary is written in <see cref="ByteAlphabet"/> (GPT-2) and not as plain text.</summary>
    public bool WritesBytes { get; init; }
}
