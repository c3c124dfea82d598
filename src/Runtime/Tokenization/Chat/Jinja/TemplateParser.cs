namespace Generated.Tokenization.Chat.Jinja;

/// <summary>Statements of a template.</summary>
internal sealed class TemplateParser
{
    private const int DeepestNesting = 100;
    private readonly ExpressionParser _expressions;
    private int _depth;

    private TemplateParser(List<Token> tokens) => _expressions = new ExpressionParser(tokens);

    public static IReadOnlyList<Statement> Parse(string template)
    {
        var parser = new TemplateParser(Lexer.Read(template));
        var body = parser.ParseBody(out string end);
        return end.Length == 0 ? body : throw parser._expressions.Error($"\"{end}\" has no beginning.");
    }

    /// <summary>Statements up to one of the words that end or divide a block; that word has been read, its arguments have not.</summary>
    private List<Statement> ParseBody(out string end, params string[] ends)
    {
        if (++_depth > DeepestNesting)
            throw _expressions.Error("blocks are nested too deeply.");
        var body = new List<Statement>();
        while (true)
        {
            var token = _expressions.Take();
            switch (token.Kind)
            {
                case TokenKind.Text:
                    body.Add(new TextStatement(token.Text, token.Line));
                    break;
                case TokenKind.OutputStart:
                    body.Add(new Output(_expressions.ParseTuple(), token.Line));
                    _expressions.Expect(TokenKind.OutputEnd);
                    break;
                case TokenKind.StatementStart:
                    string word = _expressions.Expect(TokenKind.Name).Text;
                    if (word.StartsWith("end", StringComparison.Ordinal) || word is "else" or "elif")
                    {
                        if (Array.IndexOf(ends, word) < 0)
                            throw new JinjaException(ends.Length == 0 ? $"\"{word}\" has no beginning." : $"expected \"{ends[^1]}\", found \"{word}\".", token.Line);
                        end = word;
                        _depth--;
                        return body;
                    }
                    body.Add(ParseStatement(word, token.Line));
                    break;
                default:
                    if (ends.Length > 0)
                        throw new JinjaException($"\"{ends[^1]}\" is missing.", token.Line);
                    end = "";
                    return body;
            }
        }
    }

    private Statement ParseStatement(string word, int line)
    {
        switch (word)
        {
            case "if": return ParseIf(line);
            case "for": return ParseFor(line);
            case "set": return ParseSet(line);
            case "macro": return ParseMacro(line);
            case "break":
                EndTag();
                return new Break(line);
            case "continue":
                EndTag();
                return new Continue(line);
            case "generation":
                EndTag();
                return new Group(ParseToEnd("endgeneration"), line);
            default:
                throw new JinjaException($"the statement \"{word}\" is not supported.", line);
        }
    }

    private If ParseIf(int line)
    {
        var branches = new List<(Expression, IReadOnlyList<Statement>)>();
        while (true)
        {
            var test = _expressions.ParseTuple();
            EndTag();
            var body = ParseBody(out string end, "elif", "else", "endif");
            branches.Add((test, body));
            if (end == "elif")
                continue;
            EndTag();
            return new If(branches, end == "else" ? ParseToEnd("endif") : [], line);
        }
    }

    private For ParseFor(int line)
    {
        var targets = ParseTargets();
        _expressions.Expect(TokenKind.Name, "in");
        var items = _expressions.Parse(withCondition: false);
        var condition = _expressions.TryTake(TokenKind.Name, "if") ? _expressions.Parse() : null;
        if (_expressions.Current.Is(TokenKind.Name, "recursive"))
            throw _expressions.Error("recursive loops are not supported.");
        EndTag();
        var body = ParseBody(out string end, "else", "endfor");
        EndTag();
        return new For(targets, items, condition, body, end == "else" ? ParseToEnd("endfor") : [], line);
    }

    private Set ParseSet(int line)
    {
        var targets = ParseTargets();
        string? attribute = _expressions.TryTake(TokenKind.Operator, ".") ? _expressions.Expect(TokenKind.Name).Text : null;
        if (_expressions.TryTake(TokenKind.Operator, "="))
        {
            var value = _expressions.ParseTuple();
            EndTag();
            return new Set(targets, attribute, value, [], line);
        }
        if (targets.Count != 1)
            throw _expressions.Error("expected \"=\".");
        EndTag();
        return new Set(targets, attribute, null, ParseToEnd("endset"), line);
    }

    private Macro ParseMacro(int line)
    {
        string name = _expressions.Expect(TokenKind.Name).Text;
        _expressions.Expect(TokenKind.Operator, "(");
        var parameters = new List<(string, Expression?)>();
        while (!_expressions.TryTake(TokenKind.Operator, ")"))
        {
            string parameter = _expressions.Expect(TokenKind.Name).Text;
            var fallback = _expressions.TryTake(TokenKind.Operator, "=") ? _expressions.Parse() : null;
            if (fallback is null && parameters.Count > 0 && parameters[^1].Item2 is not null)
                throw _expressions.Error($"the parameter \"{parameter}\" needs a default, since one before it has one.");
            parameters.Add((parameter, fallback));
            if (!_expressions.Current.Is(TokenKind.Operator, ")"))
                _expressions.Expect(TokenKind.Operator, ",");
        }
        EndTag();
        return new Macro(name, parameters, ParseToEnd("endmacro"), line);
    }

    private List<string> ParseTargets()
    {
        bool inBrackets = _expressions.TryTake(TokenKind.Operator, "(");
        var targets = new List<string> { _expressions.Expect(TokenKind.Name).Text };
        while (_expressions.TryTake(TokenKind.Operator, ","))
            targets.Add(_expressions.Expect(TokenKind.Name).Text);
        if (inBrackets)
            _expressions.Expect(TokenKind.Operator, ")");
        return targets;
    }

    private List<Statement> ParseToEnd(string word)
    {
        var body = ParseBody(out _, word);
        EndTag();
        return body;
    }

    private void EndTag() => _expressions.Expect(TokenKind.StatementEnd);
}
