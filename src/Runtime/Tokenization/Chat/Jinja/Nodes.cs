namespace Generated.Tokenization.Chat.Jinja;

/// <summary>An expression of a template.</summary>
internal abstract record Expression(int Line);

internal sealed record Literal(object? Value, int Line) : Expression(Line);

internal sealed record Name(string Id, int Line) : Expression(Line);

internal sealed record ListLiteral(IReadOnlyList<Expression> Items, bool IsTuple, int Line) : Expression(Line);

internal sealed record DictLiteral(IReadOnlyList<(Expression Key, Expression Value)> Items, int Line) : Expression(Line);

internal sealed record Unary(string Operator, Expression Operand, int Line) : Expression(Line);

internal sealed record Binary(string Operator, Expression Left, Expression Right, int Line) : Expression(Line);

/// <summary>a &lt; b &lt; c: each neighbour compared.</summary>
internal sealed record Comparison(Expression First, IReadOnlyList<(string Operator, Expression Right)> Rest, int Line) : Expression(Line);

internal sealed record Conditional(Expression Test, Expression Then, Expression? Else, int Line) : Expression(Line);

internal sealed record Member(Expression Target, string Id, int Line) : Expression(Line);

internal sealed record Index(Expression Target, Expression Key, int Line) : Expression(Line);

internal sealed record Slice(Expression Target, Expression? Start, Expression? Stop, Expression? Step, int Line) : Expression(Line);

internal sealed record Call(Expression Target, Arguments Arguments, int Line) : Expression(Line);

internal sealed record Filter(Expression Input, string Id, Arguments Arguments, int Line) : Expression(Line);

internal sealed record TestOf(Expression Input, string Id, bool Negated, Arguments Arguments, int Line) : Expression(Line);

/// <summary>Arguments of a call, not evaluated yet.</summary>
internal sealed record Arguments(IReadOnlyList<Expression> Positional, IReadOnlyList<(string Name, Expression Value)> Named)
{
    public static readonly Arguments None = new([], []);
}

/// <summary>A statement of a template.</summary>
internal abstract record Statement(int Line);

internal sealed record TextStatement(string Text, int Line) : Statement(Line);

internal sealed record Output(Expression Value, int Line) : Statement(Line);

internal sealed record If(IReadOnlyList<(Expression Test, IReadOnlyList<Statement> Body)> Branches, IReadOnlyList<Statement> Else, int Line) : Statement(Line);

internal sealed record For(IReadOnlyList<string> Targets, Expression Items, Expression? Condition, IReadOnlyList<Statement> Body, IReadOnlyList<Statement> Else, int Line) : Statement(Line);

/// <summary>set a = ..., set a, b = ..., set ns.a = ... (Attribute), or set a as a block (Body).</summary>
internal sealed record Set(IReadOnlyList<string> Targets, string? Attribute, Expression? Value, IReadOnlyList<Statement> Body, int Line) : Statement(Line);

internal sealed record Macro(string Id, IReadOnlyList<(string Name, Expression? Default)> Parameters, IReadOnlyList<Statement> Body, int Line) : Statement(Line);

/// <summary>A block that only groups ("generation" of Hugging Face).</summary>
internal sealed record Group(IReadOnlyList<Statement> Body, int Line) : Statement(Line);

internal sealed record Break(int Line) : Statement(Line);

internal sealed record Continue(int Line) : Statement(Line);
