using System.Buffers;
using System.Text;

namespace Generated.Tokenization;

/// <summary>A token that is recognised in text as a whole, beside what the tokenizer's model does.</summary>
/// <param name="Id">Its id.</param>
/// <param name="Content">How it is written.</param>
/// <param name="IsSpecial">Whether decoding leaves it out when special tokens are skipped.</param>
internal sealed record AddedToken(int Id, string Content, bool IsSpecial = true)
{
    /// <summary>Takes the whitespace before it.</summary>
    public bool StripLeft { get; init; }

    /// <summary>Takes the whitespace after it.</summary>
    public bool StripRight { get; init; }

    /// <summary>Is not recognised inside a word.</summary>
    public bool SingleWord { get; init; }

    /// <summary>Is looked for after normalization, in its normalized form.</summary>
    public bool Normalized { get; init; }
}

/// <summary>Finds added tokens in text: the leftmost, and the longest of those that start there.</summary>
internal sealed class AddedTokens
{
    private readonly SearchValues<string>? _contents;
    private readonly Dictionary<char, (string Content, AddedToken Token)[]> _byFirst;

    /// <param name="tokens">The tokens.</param>
    /// <param name="written">How each is written in the text that is searched, by default its content.</param>
    public AddedTokens(IEnumerable<AddedToken> tokens, Func<AddedToken, string>? written = null)
    {
        var entries = tokens.Select(t => (Content: written?.Invoke(t) ?? t.Content, Token: t)).Where(e => e.Content.Length > 0).ToArray();
        _byFirst = entries.GroupBy(e => e.Content[0]).ToDictionary(g => g.Key, g => g.OrderByDescending(e => e.Content.Length).ToArray());
        _contents = entries.Length == 0 ? null : SearchValues.Create(entries.Select(e => e.Content).ToArray(), StringComparison.Ordinal);
    }

    /// <summary>A part of a text: an added token, or what lies between.</summary>
    public readonly record struct Part(int Start, int End, AddedToken? Token);

    /// <summary>Cuts a text into added tokens and the (non-empty) text between them.</summary>
    public IEnumerable<Part> Split(string text)
    {
        int plainStart = 0, position = 0;
        while (position < text.Length && Find(text, position) is { } match)
        {
            var (start, end) = (match.Start, match.End);
            if (match.Token!.SingleWord && (IsWordBefore(text, start) || IsWordAt(text, end)))
            {
                position = end;
                continue;
            }
            if (match.Token.StripLeft)
            {
                while (start > plainStart && char.IsWhiteSpace(text[start - 1]))
                    start--;
            }
            if (match.Token.StripRight)
            {
                while (end < text.Length && char.IsWhiteSpace(text[end]))
                    end++;
            }
            if (start > plainStart)
                yield return new Part(plainStart, start, null);
            yield return match with { Start = start, End = end };
            plainStart = position = end;
        }
        if (plainStart < text.Length)
            yield return new Part(plainStart, text.Length, null);
    }

    private Part? Find(string text, int from)
    {
        int offset = _contents is null ? -1 : text.AsSpan(from).IndexOfAny(_contents);
        if (offset < 0)
            return null;
        int start = from + offset;
        foreach (var (content, token) in _byFirst[text[start]])
        {
            if (string.CompareOrdinal(text, start, content, 0, content.Length) == 0)
                return new Part(start, start + content.Length, token);
        }
        return null;
    }

    private static bool IsWordBefore(string text, int end) => Rune.DecodeLastFromUtf16(text.AsSpan(0, end), out var rune, out _) == OperationStatus.Done && IsWord(rune);

    private static bool IsWordAt(string text, int start) => Rune.DecodeFromUtf16(text.AsSpan(start), out var rune, out _) == OperationStatus.Done && IsWord(rune);

    private static bool IsWord(Rune rune) => Rune.IsLetterOrDigit(rune) || rune.Value == '_';
}
