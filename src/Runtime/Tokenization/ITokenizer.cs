namespace Generated.Tokenization;

/// <summary>Text to token ids and back, exactly as the checkpoint's original tokenizer does it.</summary>
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

    /// <summary>Encodes text; special tokens (BOS and the like) are added only if <paramref name="addSpecial"/> is set.</summary>
    IReadOnlyList<int> Encode(string text, bool addSpecial = false);

    /// <summary>Decodes ids; bytes that are no valid UTF-8 become U+FFFD.</summary>
    string Decode(IReadOnlyList<int> ids, bool skipSpecial = true);

    /// <summary>A decoder for one stream of ids that never emits half a character.</summary>
    IStreamingDecoder CreateStreamingDecoder();
}

/// <summary>Turns ids into text as they arrive.</summary>
public interface IStreamingDecoder
{
    /// <summary>Adds an id; returns the text that has become certain (possibly empty).</summary>
    string Add(int id);

    /// <summary>Ends the stream; returns what was held back.</summary>
    string Flush();
}
