using System.Globalization;

namespace Generated.Tokenization.Chat.Jinja;

/// <summary>Expressions, by Jinja's order of precedence.</summary>
internal sealed class ExpressionParser(List<Token> tokens)
{
    private const int DeepestNesting = 100;
    private int _position;
    private int _depth;

    public Token Current => tokens[_position];

    public Token Take() => tokens[_position++];

    public bool TryTake(TokenKind kind, string text)
    {
        if (!Current.Is(kind, text))
            return false;
        _position++;
        return true;
    }

    public Token Expect(TokenKind kind, string? text = null)
        => Current.Kind == kind && (text is null || Current.Text == text)
            ? Take()
            : throw Error($"expected {text ?? Describe(kind)}, found {(Current.Text.Length > 0 ? $"\"{Current.Text}\"" : Describe(Current.Kind))}.");

    public JinjaException Error(string message) => new(message, Current.Line);

    /// <summary>An expression, or several with commas, which make a tuple.</summary>
    public Expression ParseTuple()
    {
        var first = Parse();
        if (!Current.Is(TokenKind.Operator, ","))
            return first;
        var items = new List<Expression> { first };
        while (TryTake(TokenKind.Operator, ","))
        {
            if (Current.Kind is TokenKind.StatementEnd or TokenKind.OutputEnd || Current.Is(TokenKind.Operator, ")"))
                break;
            items.Add(Parse());
        }
        return new ListLiteral(items, IsTuple: true, first.Line);
    }

    /// <summary>One expression; <paramref name="withCondition"/> is false where an "if" belongs to the statement.</summary>
    public Expression Parse(bool withCondition = true)
    {
        if (++_depth > DeepestNesting)
            throw Error("expressions are nested too deeply.");
        var value = ParseOr();
        while (withCondition && Current.Is(TokenKind.Name, "if"))
        {
            int line = Take().Line;
            var test = ParseOr();
            var otherwise = TryTake(TokenKind.Name, "else") ? Parse() : null;
            value = new Conditional(test, value, otherwise, line);
        }
        _depth--;
        return value;
    }

    private Expression ParseOr()
    {
        var left = ParseAnd();
        while (Current.Is(TokenKind.Name, "or"))
            left = new Binary(Take().Text, left, ParseAnd(), left.Line);
        return left;
    }

    private Expression ParseAnd()
    {
        var left = ParseNot();
        while (Current.Is(TokenKind.Name, "and"))
            left = new Binary(Take().Text, left, ParseNot(), left.Line);
        return left;
    }

    private Expression ParseNot()
    {
        if (!Current.Is(TokenKind.Name, "not"))
            return ParseComparison();
        if (++_depth > DeepestNesting)
            throw Error("expressions are nested too deeply.");
        int line = Take().Line;
        var operand = ParseNot();
        _depth--;
        return new Unary("not", operand, line);
    }

    private Expression ParseComparison()
    {
        var first = ParseSum();
        var rest = new List<(string, Expression)>();
        while (true)
        {
            if (Current.Kind == TokenKind.Operator && Current.Text is "==" or "!=" or "<" or ">" or "<=" or ">=")
                rest.Add((Take().Text, ParseSum()));
            else if (TryTake(TokenKind.Name, "in"))
                rest.Add(("in", ParseSum()));
            else if (Current.Is(TokenKind.Name, "not") && tokens[_position + 1].Is(TokenKind.Name, "in"))
            {
                _position += 2;
                rest.Add(("not in", ParseSum()));
            }
            else
                return rest.Count == 0 ? first : new Comparison(first, rest, first.Line);
        }
    }

    private Expression ParseSum()
    {
        var left = ParseConcatenation();
        while (Current.Kind == TokenKind.Operator && Current.Text is "+" or "-")
            left = new Binary(Take().Text, left, ParseConcatenation(), left.Line);
        return left;
    }

    private Expression ParseConcatenation()
    {
        var left = ParseProduct();
        while (Current.Is(TokenKind.Operator, "~"))
            left = new Binary(Take().Text, left, ParseProduct(), left.Line);
        return left;
    }

    private Expression ParseProduct()
    {
        var left = ParsePower();
        while (Current.Kind == TokenKind.Operator && Current.Text is "*" or "/" or "//" or "%")
            left = new Binary(Take().Text, left, ParsePower(), left.Line);
        return left;
    }

    private Expression ParsePower()
    {
        var left = ParseUnary(withFilter: true);
        while (Current.Is(TokenKind.Operator, "**"))
            left = new Binary(Take().Text, left, ParseUnary(withFilter: true), left.Line);
        return left;
    }

    private Expression ParseUnary(bool withFilter)
    {
        Expression value;
        if (Current.Kind == TokenKind.Operator && Current.Text is "-" or "+")
        {
            if (++_depth > DeepestNesting)
                throw Error("expressions are nested too deeply.");
            var sign = Take();
            value = new Unary(sign.Text, ParseUnary(withFilter: false), sign.Line);
            _depth--;
        }
        else
        {
            value = ParsePostfix(ParsePrimary());
        }
        return withFilter ? ParseFilters(value) : value;
    }

    private Expression ParsePrimary()
    {
        var token = Take();
        switch (token.Kind)
        {
            case TokenKind.Name:
                return token.Text switch
                {
                    "true" or "True" => new Literal(true, token.Line),
                    "false" or "False" => new Literal(false, token.Line),
                    "none" or "None" => new Literal(null, token.Line),
                    _ => new Name(token.Text, token.Line),
                };
            case TokenKind.String:
                string text = token.Text;
                while (Current.Kind == TokenKind.String)
                    text += Take().Text;
                return new Literal(text, token.Line);
            case TokenKind.Integer:
                return long.TryParse(token.Text.Replace("_", "", StringComparison.Ordinal), NumberStyles.None, CultureInfo.InvariantCulture, out long integer)
                    ? new Literal(integer, token.Line) : throw new JinjaException($"the number {token.Text} is too large.", token.Line);
            case TokenKind.Float:
                return new Literal(double.Parse(token.Text.Replace("_", "", StringComparison.Ordinal), CultureInfo.InvariantCulture), token.Line);
            case TokenKind.Operator when token.Text == "(":
                if (TryTake(TokenKind.Operator, ")"))
                    return new ListLiteral([], IsTuple: true, token.Line);
                var inner = ParseTuple();
                Expect(TokenKind.Operator, ")");
                return inner;
            case TokenKind.Operator when token.Text == "[":
                return new ListLiteral(ParseItems("]", () => Parse()), IsTuple: false, token.Line);
            case TokenKind.Operator when token.Text == "{":
                return new DictLiteral(ParseItems("}", () =>
                {
                    var key = Parse();
                    Expect(TokenKind.Operator, ":");
                    return (key, Parse());
                }), token.Line);
            default:
                _position--;
                throw Error($"expected a value, found {(token.Text.Length > 0 ? $"\"{token.Text}\"" : Describe(token.Kind))}.");
        }
    }

    private List<T> ParseItems<T>(string close, Func<T> parse)
    {
        var items = new List<T>();
        while (!TryTake(TokenKind.Operator, close))
        {
            items.Add(parse());
            if (!Current.Is(TokenKind.Operator, close))
                Expect(TokenKind.Operator, ",");
        }
        return items;
    }

    private Expression ParsePostfix(Expression target)
    {
        while (true)
        {
            int line = Current.Line;
            if (TryTake(TokenKind.Operator, "."))
            {
                target = Current.Kind == TokenKind.Integer
                    ? new Index(target, ParsePrimary(), line)
                    : new Member(target, Expect(TokenKind.Name).Text, line);
            }
            else if (TryTake(TokenKind.Operator, "["))
            {
                target = ParseIndex(target, line);
            }
            else if (Current.Is(TokenKind.Operator, "("))
            {
                target = new Call(target, ParseArguments(), line);
            }
            else
            {
                return target;
            }
        }
    }

    private Expression ParseIndex(Expression target, int line)
    {
        var parts = new List<Expression?> { null };
        while (!TryTake(TokenKind.Operator, "]"))
        {
            if (TryTake(TokenKind.Operator, ":"))
                parts.Add(null);
            else if (parts[^1] is null)
                parts[^1] = Parse();
            else
                throw Error($"expected \"]\", found \"{Current.Text}\".");
        }
        return parts.Count switch
        {
            1 => new Index(target, parts[0] ?? throw Error("expected an index."), line),
            2 => new Slice(target, parts[0], parts[1], null, line),
            3 => new Slice(target, parts[0], parts[1], parts[2], line),
            _ => throw Error("a slice has at most three parts."),
        };
    }

    private Arguments ParseArguments()
    {
        Expect(TokenKind.Operator, "(");
        var positional = new List<Expression>();
        var named = new List<(string, Expression)>();
        while (!TryTake(TokenKind.Operator, ")"))
        {
            if (Current.Kind == TokenKind.Name && tokens[_position + 1].Is(TokenKind.Operator, "="))
            {
                string name = Take().Text;
                Take();
                named.Add((name, Parse()));
            }
            else
            {
                positional.Add(Parse());
            }
            if (!Current.Is(TokenKind.Operator, ")"))
                Expect(TokenKind.Operator, ",");
        }
        return new Arguments(positional, named);
    }

    private Expression ParseFilters(Expression value)
    {
        while (true)
        {
            int line = Current.Line;
            if (TryTake(TokenKind.Operator, "|"))
            {
                string name = Expect(TokenKind.Name).Text;
                value = new Filter(value, name, Current.Is(TokenKind.Operator, "(") ? ParseArguments() : Arguments.None, line);
            }
            else if (TryTake(TokenKind.Name, "is"))
            {
                value = ParseTest(value, line);
            }
            else if (Current.Is(TokenKind.Operator, "("))
            {
                value = new Call(value, ParseArguments(), line);
            }
            else
            {
                return value;
            }
        }
    }

    private TestOf ParseTest(Expression value, int line)
    {
        bool negated = TryTake(TokenKind.Name, "not");
        string name = Current.Is(TokenKind.Operator, "==") || Current.Is(TokenKind.Operator, "!=") ? Take().Text : Expect(TokenKind.Name).Text;
        var arguments = Arguments.None;
        if (Current.Is(TokenKind.Operator, "("))
        {
            arguments = ParseArguments();
        }
        else if (Current.Kind is TokenKind.String or TokenKind.Integer or TokenKind.Float
            || (Current.Kind == TokenKind.Name && Current.Text is not ("else" or "or" or "and" or "if" or "is" or "in" or "not"))
            || Current.Is(TokenKind.Operator, "["))
        {
            arguments = new Arguments([ParsePostfix(ParsePrimary())], []);
        }
        return new TestOf(value, name, negated, arguments, line);
    }

    private static string Describe(TokenKind kind) => kind switch
    {
        TokenKind.StatementEnd => "%}",
        TokenKind.OutputEnd => "}}",
        TokenKind.Name => "a name",
        TokenKind.End => "the end of the template",
        TokenKind.Text => "text",
        _ => kind.ToString(),
    };
}
