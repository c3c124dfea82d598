using System.Globalization;
using System.Text;

namespace Generated.Tokenization.Chat.Jinja;

internal enum TokenKind
{
    Text,
    StatementStart,
    StatementEnd,
    OutputStart,
    OutputEnd,
    Name,
    String,
    Integer,
    Float,
    Operator,
    End,
}

/// <summary>A token of a template.</summary>
internal readonly record struct Token(TokenKind Kind, string Text, int Line)
{
    public bool Is(TokenKind kind, string text) => Kind == kind && Text == text;
}

/// <summary>
/// Cuts a template into tokens and applies the whitespace rules that Hugging Face sets: trim_blocks, lstrip_blocks, "-" and "+"
/// beside the delimiters, and no line end at the very end.
/// </summary>
internal sealed class Lexer
{
    private static readonly string[] Operators =
        ["//", "**", "==", "!=", "<=", ">=", "+", "-", "*", "/", "%", "~", "<", ">", "=", "(", ")", "[", "]", "{", "}", ",", ".", ":", "|", ";"];

    private readonly string _source;
    private readonly List<Token> _tokens = [];
    private int _position;
    private int _line = 1;

    private Lexer(string source) => _source = source;

    public static List<Token> Read(string template)
    {
        template = template.Replace("\r\n", "\n", StringComparison.Ordinal).Replace('\r', '\n');
        if (template.EndsWith('\n'))
            template = template[..^1];
        var lexer = new Lexer(template);
        lexer.ReadTemplate();
        return lexer._tokens;
    }

    private void ReadTemplate()
    {
        while (_position < _source.Length)
        {
            int open = FindOpening(_position);
            char kind = open < 0 ? '\0' : _source[open + 1];
            AddText(open < 0 ? _source.Length : open, kind);
            if (open < 0)
                break;
            _position += 2;
            if (_position < _source.Length && _source[_position] is '-' or '+')
                _position++;
            if (kind == '#')
                SkipComment();
            else
                ReadTag(kind == '%');
        }
        Add(TokenKind.End, "");
    }

    private int FindOpening(int from)
    {
        for (int i = _source.IndexOf('{', from); i >= 0 && i + 1 < _source.Length; i = _source.IndexOf('{', i + 1))
        {
            if (_source[i + 1] is '%' or '{' or '#')
                return i;
        }
        return -1;
    }

    /// <summary>Text up to a tag, less what the tag strips on its left.</summary>
    private void AddText(int end, char nextKind)
    {
        string text = _source[_position..end];
        char sign = end + 2 < _source.Length ? _source[end + 2] : '\0';
        string kept = text;
        if (nextKind != '\0' && sign == '-')
        {
            kept = text.TrimEnd();
        }
        else if (nextKind is '%' or '#' && sign != '+')
        {
            int lineStart = text.LastIndexOf('\n') + 1;
            bool atLineStart = lineStart > 0 || _position == 0 || _source[_position - 1] == '\n';
            if (atLineStart && text.AsSpan(lineStart).IsWhiteSpace())
                kept = text[..lineStart];
        }
        if (kept.Length > 0)
            Add(TokenKind.Text, kept);
        Advance(end);
    }

    private void SkipComment()
    {
        int end = _source.IndexOf("#}", _position, StringComparison.Ordinal);
        if (end < 0)
            throw new JinjaException("a comment {# is not closed.", _line);
        char sign = end > _position ? _source[end - 1] : '\0';
        Advance(end + 2);
        TrimAfter(sign, isBlock: true);
    }

    /// <summary>Whitespace after a tag: all of it after "-", one line end after a block.</summary>
    private void TrimAfter(char sign, bool isBlock)
    {
        int position = _position;
        if (sign == '-')
        {
            while (position < _source.Length && char.IsWhiteSpace(_source[position]))
                position++;
        }
        else if (isBlock && sign != '+' && position < _source.Length && _source[position] == '\n')
        {
            position++;
        }
        Advance(position);
    }

    private void ReadTag(bool isStatement)
    {
        Add(isStatement ? TokenKind.StatementStart : TokenKind.OutputStart, "");
        string close = isStatement ? "%}" : "}}";
        int depth = 0; // of brackets, so that "}}" inside a dictionary is not taken for the end
        while (true)
        {
            SkipSpace();
            if (_position >= _source.Length)
                throw new JinjaException($"a tag is not closed by {close}.", _line);
            char sign = _source[_position];
            int at = sign is '-' or '+' ? _position + 1 : _position;
            if (depth == 0 && string.CompareOrdinal(_source, at, close, 0, 2) == 0)
            {
                Add(isStatement ? TokenKind.StatementEnd : TokenKind.OutputEnd, "");
                Advance(at + 2);
                TrimAfter(sign, isStatement);
                return;
            }
            depth += ReadToken();
        }
    }

    /// <summary>Reads one token inside a tag; the change of bracket depth.</summary>
    private int ReadToken()
    {
        char c = _source[_position];
        if (char.IsLetter(c) || c == '_')
        {
            int end = _position;
            while (end < _source.Length && (char.IsLetterOrDigit(_source[end]) || _source[end] == '_'))
                end++;
            Take(TokenKind.Name, end);
            return 0;
        }
        if (char.IsAsciiDigit(c))
        {
            ReadNumber();
            return 0;
        }
        if (c is '"' or '\'')
        {
            ReadString(c);
            return 0;
        }
        foreach (string op in Operators)
        {
            if (string.CompareOrdinal(_source, _position, op, 0, op.Length) == 0)
            {
                Take(TokenKind.Operator, _position + op.Length);
                return op is "(" or "[" or "{" ? 1 : op is ")" or "]" or "}" ? -1 : 0;
            }
        }
        throw new JinjaException($"the character '{c}' is not expected here.", _line);
    }

    private void ReadNumber()
    {
        int end = _position;
        bool isFloat = false;
        while (end < _source.Length && (char.IsAsciiDigit(_source[end]) || _source[end] == '_'))
            end++;
        if (end + 1 < _source.Length && _source[end] == '.' && char.IsAsciiDigit(_source[end + 1]))
        {
            isFloat = true;
            end++;
            while (end < _source.Length && char.IsAsciiDigit(_source[end]))
                end++;
        }
        if (end < _source.Length && _source[end] is 'e' or 'E')
        {
            int digits = end + 1;
            if (digits < _source.Length && _source[digits] is '+' or '-')
                digits++;
            if (digits < _source.Length && char.IsAsciiDigit(_source[digits]))
            {
                isFloat = true;
                for (end = digits; end < _source.Length && char.IsAsciiDigit(_source[end]);)
                    end++;
            }
        }
        Take(isFloat ? TokenKind.Float : TokenKind.Integer, end);
    }

    private void ReadString(char quote)
    {
        var text = new StringBuilder();
        int position = _position + 1;
        while (position < _source.Length && _source[position] != quote)
        {
            char c = _source[position++];
            if (c != '\\' || position >= _source.Length)
            {
                text.Append(c);
                continue;
            }
            char escape = _source[position++];
            switch (escape)
            {
                case 'n': text.Append('\n'); break;
                case 't': text.Append('\t'); break;
                case 'r': text.Append('\r'); break;
                case 'b': text.Append('\b'); break;
                case 'f': text.Append('\f'); break;
                case '0': text.Append('\0'); break;
                case 'u' when position + 4 <= _source.Length && int.TryParse(_source.AsSpan(position, 4), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out int code):
                    text.Append((char)code);
                    position += 4;
                    break;
                case 'x' when position + 2 <= _source.Length && int.TryParse(_source.AsSpan(position, 2), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out int value):
                    text.Append((char)value);
                    position += 2;
                    break;
                case '\n': break;
                case '\\' or '\'' or '"': text.Append(escape); break;
                default: text.Append('\\').Append(escape); break;
            }
        }
        if (position >= _source.Length)
            throw new JinjaException("a string is not closed.", _line);
        Add(TokenKind.String, text.ToString());
        Advance(position + 1);
    }

    private void SkipSpace()
    {
        int position = _position;
        while (position < _source.Length && char.IsWhiteSpace(_source[position]))
            position++;
        Advance(position);
    }

    private void Take(TokenKind kind, int end)
    {
        Add(kind, _source[_position..end]);
        Advance(end);
    }

    private void Add(TokenKind kind, string text) => _tokens.Add(new Token(kind, text, _line));

    private void Advance(int position)
    {
        for (; _position < position; _position++)
        {
            if (_source[_position] == '\n')
                _line++;
        }
    }
}
