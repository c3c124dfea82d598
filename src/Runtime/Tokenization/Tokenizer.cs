namespace Generated.Tokenization;

/// <summary>What every tokenizer here has in common: special tokens, what is added around a text, and decoding through one class.</summary>
internal abstract class Tokenizer : ITokenizer
{
    private readonly AddedTokens _inPrompt;
    private readonly Dictionary<string, AddedToken> _byContent = [];
    private readonly Dictionary<int, AddedToken> _byId = [];

    protected Tokenizer(SpecialTokens special)
    {
        Special = special;
        foreach (var token in special.Added)
        {
            _byContent[token.Content] = token;
            _byId[token.Id] = token;
        }
        _inPrompt = new AddedTokens(special.Added);
    }

    /// <summary>The special tokens and their roles.</summary>
    protected SpecialTokens Special { get; }

    public abstract int VocabSize { get; }

    public int? BosId => Special.BosId;

    public IReadOnlyList<int> EosIds => Special.EosIds;

    public int? PadId => Special.PadId;

    public virtual IReadOnlyList<int> Encode(string text, bool addSpecial = false)
    {
        ArgumentNullException.ThrowIfNull(text);
        var ids = new List<int>(text.Length / 3 + 8);
        if (addSpecial)
            ids.AddRange(Special.Prefix);
        EncodeText(text, ids);
        if (addSpecial)
            ids.AddRange(Special.Suffix);
        return ids;
    }

    public virtual IReadOnlyList<int> EncodePrompt(string prompt)
    {
        ArgumentNullException.ThrowIfNull(prompt);
        var ids = new List<int>(prompt.Length / 3 + 8);
        foreach (var part in _inPrompt.Split(prompt))
        {
            if (part.Token is { } token)
                ids.Add(token.Id);
            else
                EncodeText(prompt[part.Start..part.End], ids);
        }
        return ids;
    }

    public virtual string Decode(IReadOnlyList<int> ids, bool skipSpecial = true)
    {
        ArgumentNullException.ThrowIfNull(ids);
        return CreateDecoder(skipSpecial).DecodeAll(ids);
    }

    public virtual IStreamingDecoder CreateStreamingDecoder(bool skipSpecial = true) => CreateDecoder(skipSpecial);

    public int? TokenToId(string token)
    {
        ArgumentNullException.ThrowIfNull(token);
        return _byContent.TryGetValue(token, out var added) ? added.Id : FindPiece(token);
    }

    public string? IdToToken(int id) => _byId.TryGetValue(id, out var added) ? added.Content : PieceText(id);

    /// <summary>The added token with this id, or null.</summary>
    internal AddedToken? AddedById(int id) => _byId.GetValueOrDefault(id);

    /// <summary>Appends the ids of text without special tokens.</summary>
    protected abstract void EncodeText(string text, List<int> ids);

    /// <summary>A new decoder.</summary>
    protected abstract TokenDecoder CreateDecoder(bool skipSpecial);

    /// <summary>Id of a piece of the model, or null.</summary>
    protected abstract int? FindPiece(string piece);

    /// <summary>A piece of the model by id, or null.</summary>
    protected abstract string? PieceText(int id);
}
