using System.Text;
using System.Text.RegularExpressions;

namespace Generated.Tokenization.Splitting;

/// <summary>
/// Rewrites a pattern of tokenizer.json (Oniguruma) for .NET: sets inside sets are flattened, possessive quantifiers become atomic
/// groups. What has no equivalent is refused.
/// </summary>
internal sealed class RegexTranslator
{
    private readonly string _pattern;
    private readonly string _where;
    private readonly StringBuilder _output = new();
    private readonly Stack<int> _groups = new();
    private int _position;
    private int _atom = -1; // where in the output the last quantifiable atom starts

    private RegexTranslator(string pattern, string where) => (_pattern, _where) = (pattern, where);

    /// <summary>Compiles a pattern.</summary>
    /// <param name="pattern">The pattern as the file has it.</param>
    /// <param name="where">Where it stands, for messages.</param>
    /// <exception cref="InvalidInputException">The pattern is damaged or has no .NET equivalent.</exception>
    public static Regex Compile(string pattern, string where)
    {
        try
        {
            string translated = new RegexTranslator(pattern, where).Translate();
            // Hostile patterns can backtrack without end; real ones need far less than this per text.
            return new Regex(translated, RegexOptions.CultureInvariant, TimeSpan.FromSeconds(30));
        }
        catch (ArgumentException damaged)
        {
            throw new InvalidInputException($"{where}: the pattern \"{pattern}\" is not supported: {damaged.Message}", damaged);
        }
    }

    private string Translate()
    {
        while (_position < _pattern.Length)
        {
            char c = _pattern[_position];
            if (char.IsSurrogate(c))
                throw Unsupported("characters beyond U+FFFF");
            switch (c)
            {
                case '[':
                    _atom = _output.Length;
                    Set();
                    break;
                case '(':
                    _groups.Push(_output.Length);
                    _output.Append(c);
                    _position++;
                    _atom = -1;
                    break;
                case ')':
                    _atom = _groups.TryPop(out int start) ? start : -1;
                    _output.Append(c);
                    _position++;
                    break;
                case '?' or '*' or '+' when _atom >= 0:
                    _position++;
                    Quantifier(c.ToString());
                    break;
                case '{' when _atom >= 0 && _pattern.IndexOf('}', _position) is var end and > 0:
                    string braces = _pattern[_position..(end + 1)];
                    _position = end + 1;
                    Quantifier(braces.StartsWith("{,", StringComparison.Ordinal) ? "{0" + braces[1..] : braces);
                    break;
                case '\\':
                    _atom = _output.Length;
                    Escape(inSet: false);
                    break;
                default:
                    _atom = c is '|' or '^' or '$' ? -1 : _output.Length;
                    _output.Append(c);
                    _position++;
                    break;
            }
        }
        return _output.ToString();
    }

    private void Quantifier(string quantifier)
    {
        char next = _position < _pattern.Length ? _pattern[_position] : '\0';
        _output.Append(quantifier);
        if (next == '+')
        {
            _output.Insert(_atom, "(?>").Append(')');
            _position++;
        }
        else
        {
            if (next == '?')
            {
                _output.Append('?');
                _position++;
            }
            _atom = -1;
        }
    }

    private void Escape(bool inSet)
    {
        if (_position + 1 >= _pattern.Length)
            throw Unsupported("a backslash at the end");
        char kind = _pattern[_position + 1];
        int end = _position + 2;
        if (kind is 'p' or 'P' && end < _pattern.Length && _pattern[end] == '{')
        {
            end = _pattern.IndexOf('}', end) + 1;
            if (end == 0)
                throw Unsupported("an open \\p{");
            string name = _pattern[(_position + 3)..(end - 1)];
            bool negated = name.StartsWith('^') != (kind == 'P');
            _output.Append(negated ? "\\P{" : "\\p{").Append(name.TrimStart('^')).Append('}');
        }
        else if (kind is 'h' or 'H' or 'R' or 'X' or 'K')
        {
            throw Unsupported($"\\{kind}");
        }
        else if (kind == 'x' && end < _pattern.Length && _pattern[end] == '{')
        {
            end = _pattern.IndexOf('}', end) + 1;
            string digits = end == 0 ? "" : _pattern[(_position + 3)..(end - 1)];
            if (digits.Length is 0 or > 4)
                throw Unsupported("\\x{...} beyond U+FFFF");
            _output.Append("\\u").Append(digits.PadLeft(4, '0'));
        }
        else
        {
            _output.Append('\\').Append(kind);
            if (inSet && char.IsSurrogate(kind))
                throw Unsupported("characters beyond U+FFFF");
        }
        _position = end;
    }

    /// <summary>A set; one inside another adds its members, as Oniguruma has it (.NET would take the inner bracket as a character).</summary>
    private void Set(int depth = 0)
    {
        if (depth > 8)
            throw Unsupported("sets nested this deep");
        _position++;
        bool negated = _position < _pattern.Length && _pattern[_position] == '^';
        if (negated && depth > 0)
            throw Unsupported("a negated set inside a set");
        if (depth == 0)
            _output.Append('[');
        if (negated)
        {
            _output.Append('^');
            _position++;
        }
        for (bool first = true; ; first = false)
        {
            if (_position >= _pattern.Length)
                throw Unsupported("an open [");
            char c = _pattern[_position];
            if (char.IsSurrogate(c))
                throw Unsupported("characters beyond U+FFFF");
            if (c == ']' && !first)
                break;
            if (c == '[')
            {
                Set(depth + 1);
            }
            else if (c == '\\')
            {
                Escape(inSet: true);
            }
            else if (c == '&' && _position + 1 < _pattern.Length && _pattern[_position + 1] == '&')
            {
                throw Unsupported("the intersection of sets");
            }
            else
            {
                if (c == ']')
                    _output.Append('\\');
                _output.Append(c);
                _position++;
            }
        }
        if (depth == 0)
            _output.Append(']');
        _position++;
    }

    private InvalidInputException Unsupported(string what) => new($"{_where}: the pattern \"{_pattern}\" is not supported: it has {what}.");
}
