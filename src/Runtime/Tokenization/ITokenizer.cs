namespace Generated.Tokenization;

/// <summary>Text to token ids and back, exactly as the checkpoint's original tokenizer does it. Implementations are thread-safe.</summary>
public interface ITokenizer
{
    /// <summary>Number of ids the tokenizer itself defines (a model's vocabulary may be padded beyond it).</summary>
    int VocabSize { get; }

    /// <summary>Id of the begin-of-sequence token, or null where there is none.</summary>
    int? BosId { get; }

    /// <summary>Ids that end a generation (usually one).</summary>
    IReadOnlyList<int> EosIds { get; }

    /// <summary>Id used for padding, or null where there is none.</summary>
    int? PadId { get; }

    /// <summary>
    /// Encodes text. Special tokens (BOS, ChatGLM's <c>[gMASK] sop</c> and the like) are added only if
    /// <paramref name="addSpecial"/> is set. A special token's name written in the text is plain text, except for a
    /// <c>tokenizer.json</c>, which says itself what is recognised in text, and for Qwen with <paramref name="addSpecial"/>,
    /// whose original adds nothing but recognises them.
    /// </summary>
    IReadOnlyList<int> Encode(string text, bool addSpecial = false);

    /// <summary>
    /// Encodes a rendered prompt: special tokens written in it (<c>&lt;|im_start|&gt;</c>, <c>&lt;s&gt;</c>, <c>[gMASK]</c>) become
    /// their ids, and nothing is added. Never give it unchecked user text alone: users could write special tokens too.
    /// </summary>
    IReadOnlyList<int> EncodePrompt(string prompt);

    /// <summary>
    /// Decodes ids; bytes that are no valid UTF-8 become U+FFFD, ids beyond the vocabulary become nothing. Special tokens
    /// are left out, or written by name if <paramref name="skipSpecial"/> is false.
    /// </summary>
    string Decode(IReadOnlyList<int> ids, bool skipSpecial = true);

    /// <summary>Id of a token by its exact text, special or not (as the vocabulary writes it), or null.</summary>
    int? TokenToId(string token);

    /// <summary>A token's text as the vocabulary writes it, or null if there is no such id.</summary>
    string? IdToToken(int id);

    /// <summary>A decoder for one stream of ids that never emits half a character.</summary>
    IStreamingDecoder CreateStreamingDecoder(bool skipSpecial = true);
}

/// <summary>Turns ids into text as they arrive.</summary>
public interface IStreamingDecoder
{
    /// <summary>Adds an id; returns the text that has become certain (possibly empty).</summary>
    string Add(int id);

    /// <summary>Ends the stream; returns what was held back. The decoder is then ready for another stream.</summary>
    string Flush();
}
