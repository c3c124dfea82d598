namespace Generated.Tokenization.Bpe;

/// <summary>
/// Merges the characters of a chunk of text into pieces: a model of Microsoft.ML.Tokenizers, wrapped so that it gives what the
/// original tokenizer gives. Implementations are thread-safe.
/// </summary>
internal interface IMerger
{
    /// <summary>Appends the ids of a chunk, and for a character that is no piece the complement (<c>~</c>) of its code point.</summary>
    void Merge(ReadOnlySpan<char> chunk, List<int> ids);
}
