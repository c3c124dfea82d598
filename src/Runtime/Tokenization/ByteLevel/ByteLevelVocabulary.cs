namespace Generated.Tokenization.ByteLevel;

/// <summary>The tokens of a byte-level tokenizer as bytes, by id and by content.</summary>
internal sealed class ByteLevelVocabulary
{
    private readonly byte[]?[] _byId;

    /// <param name="tokens">Tokens by id; null where an id is not used.</param>
    public ByteLevelVocabulary(byte[]?[] tokens)
    {
        _byId = tokens;
        Ids = new Dictionary<string, int>(tokens.Length);
        for (int id = 0; id < tokens.Length; id++)
        {
            if (tokens[id] is { Length: > 0 } token)
                Ids.TryAdd(ByteAlphabet.Write(token), id);
        }
    }

    /// <summary>Ids of the tokens, which are written in <see cref="ByteAlphabet"/>.</summary>
    public Dictionary<string, int> Ids { get; }

    public int Count => _byId.Length;

    /// <summary>A token's bytes; empty for an id that is not there.</summary>
    public ReadOnlySpan<byte> this[int id] => id >= 0 && id < _byId.Length ? _byId[id] : default;

    /// <summary>The single bytes that are no token (normally none).</summary>
    public IEnumerable<byte> MissingBytes => Enumerable.Range(0, 256).Select(b => (byte)b).Where(b => !Ids.ContainsKey(ByteAlphabet.Write([b])));
}
