namespace Generated.Tokenization.Chat.Jinja;

/// <summary>Evaluates expressions.</summary>
internal sealed class Operations(Interpreter interpreter)
{
    private const int LongestRepetition = 1 << 22;

    public object? Evaluate(Expression expression)
    {
        interpreter.Step(expression.Line);
        switch (expression)
        {
            case Literal literal: return literal.Value;
            case Name name: return interpreter.Find(name.Id);
            case ListLiteral { IsTuple: true } tuple: return new JinjaTuple(tuple.Items.Select(Evaluate));
            case ListLiteral list: return list.Items.Select(Evaluate).ToList();
            case DictLiteral dict: return EvaluateDict(dict);
            case Unary unary: return EvaluateUnary(unary);
            case Binary binary: return EvaluateBinary(binary);
            case Comparison comparison: return EvaluateComparison(comparison);
            case Conditional choice:
                return Values.IsTrue(Evaluate(choice.Test)) ? Evaluate(choice.Then) : choice.Else is null ? new Undefined("the value of an \"if\" without \"else\"") : Evaluate(choice.Else);
            case Member member: return Members.Get(Evaluate(member.Target), member.Id, member.Line);
            case Index index: return Members.GetItem(Evaluate(index.Target), Evaluate(index.Key), index.Line);
            case Slice slice: return EvaluateSlice(slice);
            case Call call: return EvaluateCall(call);
            case Filter filter: return Filters.Apply(filter.Id, Evaluate(filter.Input), Evaluate(filter.Arguments, filter.Line));
            case TestOf test:
                return Tests.Holds(test.Id, Evaluate(test.Input), Evaluate(test.Arguments, test.Line)) != test.Negated;
            default: throw new JinjaException("this expression is not supported.", expression.Line);
        }
    }

    private Dict EvaluateDict(DictLiteral literal)
    {
        var dict = new Dict();
        foreach (var (key, value) in literal.Items)
            dict[Values.ToText(Evaluate(key))] = Evaluate(value);
        return dict;
    }

    private object? EvaluateUnary(Unary unary)
    {
        object? value = Evaluate(unary.Operand);
        return unary.Operator switch
        {
            "not" => !Values.IsTrue(value),
            "-" when value is double d => -d,
            "-" when value is long or bool => -Values.Integer(value),
            "+" when value is double or long => value,
            _ => throw new JinjaException($"\"{unary.Operator}\" cannot be applied to a value of type {Values.TypeName(value)}.", unary.Line),
        };
    }

    private object? EvaluateBinary(Binary binary)
    {
        object? left = Evaluate(binary.Left);
        switch (binary.Operator)
        {
            case "and": return Values.IsTrue(left) ? Evaluate(binary.Right) : left;
            case "or": return Values.IsTrue(left) ? left : Evaluate(binary.Right);
        }
        object? right = Evaluate(binary.Right);
        if (binary.Operator == "~")
            return Values.ToText(left) + Values.ToText(right);
        return (binary.Operator, left, right) switch
        {
            ("+", string a, string b) => a + b,
            ("+", List<object?> a, List<object?> b) => a.Concat(b).ToList(),
            ("*", string a, long n) => Repeat(a, n, binary.Line),
            ("*", long n, string a) => Repeat(a, n, binary.Line),
            _ when left is bool or long or double && right is bool or long or double => Calculate(binary.Operator, left, right, binary.Line),
            _ => throw new JinjaException($"\"{binary.Operator}\" cannot be applied to values of type {Values.TypeName(left)} and {Values.TypeName(right)}.", binary.Line),
        };
    }

    private static object Calculate(string op, object left, object right, int line)
    {
        if (op is "/" or "//" or "%" && Values.Number(right) == 0)
            throw new JinjaException("division by zero.", line);
        if (left is double || right is double || op == "/" || (op == "**" && Values.Integer(right) < 0))
        {
            double a = Values.Number(left), b = Values.Number(right);
            return op switch
            {
                "+" => a + b,
                "-" => a - b,
                "*" => a * b,
                "/" => a / b,
                "//" => Math.Floor(a / b),
                "%" => a - b * Math.Floor(a / b),
                _ => Math.Pow(a, b),
            };
        }
        long x = Values.Integer(left), y = Values.Integer(right);
        try
        {
            checked
            {
                return op switch
                {
                    "+" => x + y,
                    "-" => x - y,
                    "*" => x * y,
                    "//" => x / y - (x % y != 0 && (x < 0) != (y < 0) ? 1 : 0),
                    "%" => (x % y + y) % y,
                    _ => Power(x, y),
                };
            }
        }
        catch (OverflowException)
        {
            throw new JinjaException("a number is too large.", line);
        }
    }

    private static long Power(long x, long y)
    {
        long result = 1;
        for (; y > 0 && result != 0 && !(x is 1 or -1 && y > 64); y--)
            result = checked(result * x);
        return x == -1 && y > 0 ? (y % 2 == 0 ? 1 : -1) * result : result;
    }

    private static string Repeat(string text, long count, int line)
    {
        if (count <= 0 || text.Length == 0)
            return "";
        if (count > LongestRepetition / text.Length)
            throw new JinjaException("a repeated string is too long.", line);
        return string.Concat(Enumerable.Repeat(text, (int)count));
    }

    private object EvaluateComparison(Comparison comparison)
    {
        object? left = Evaluate(comparison.First);
        foreach (var (op, rightExpression) in comparison.Rest)
        {
            object? right = Evaluate(rightExpression);
            if (!Compare(op, left, right, comparison.Line))
                return false;
            left = right;
        }
        return true;
    }

    internal static bool Compare(string op, object? left, object? right, int line)
    {
        switch (op)
        {
            case "==": return Values.AreEqual(left, right);
            case "!=": return !Values.AreEqual(left, right);
            case "in": return Contains(right, left, line);
            case "not in": return !Contains(right, left, line);
        }
        int order = Values.Compare(left, right)
            ?? throw new JinjaException($"values of type {Values.TypeName(left)} and {Values.TypeName(right)} have no order.", line);
        return op switch
        {
            "<" => order < 0,
            "<=" => order <= 0,
            ">" => order > 0,
            _ => order >= 0,
        };
    }

    internal static bool Contains(object? container, object? item, int line) => container switch
    {
        string text => item is string part ? text.Contains(part, StringComparison.Ordinal) : throw new JinjaException($"a string cannot contain a value of type {Values.TypeName(item)}.", line),
        Dict dict => item is string key && dict.ContainsKey(key),
        List<object?> list => list.Any(other => Values.AreEqual(other, item)),
        Undefined => false,
        _ => throw new JinjaException($"\"in\" cannot be applied to a value of type {Values.TypeName(container)}.", line),
    };

    private object EvaluateSlice(Slice slice)
    {
        object? target = Evaluate(slice.Target);
        if (target is not (string or List<object?>))
            throw new JinjaException($"a value of type {Values.TypeName(target)} has no slices.", slice.Line);
        var items = target is string text ? [.. Values.Characters(text)] : (List<object?>)target;
        long step = Bound(slice.Step, slice.Line) ?? 1;
        if (step == 0)
            throw new JinjaException("a slice's step is zero.", slice.Line);
        long first = step > 0 ? 0 : -1, last = step > 0 ? items.Count : items.Count - 1;
        long start = Bound(slice.Start, slice.Line) is { } s ? Math.Clamp(s < 0 ? Math.Max(s, -items.Count - 1L) + items.Count : s, first, last) : step > 0 ? first : last;
        long stop = Bound(slice.Stop, slice.Line) is { } e ? Math.Clamp(e < 0 ? Math.Max(e, -items.Count - 1L) + items.Count : e, first, last) : step > 0 ? last : first;
        var part = new List<object?>();
        for (long i = start; step > 0 ? i < stop : i > stop; i += Math.Clamp(step, -items.Count - 1L, items.Count + 1L))
            part.Add(items[(int)i]);
        return target is string ? string.Concat(part) : part;
    }

    private long? Bound(Expression? expression, int line) => expression is null ? null : Evaluate(expression) switch
    {
        null => null,
        long n => n,
        var other => throw new JinjaException($"a slice's bound is of type {Values.TypeName(other)}.", line),
    };

    private object? EvaluateCall(Call call)
    {
        object? target = Evaluate(call.Target);
        if (target is not Callable function)
            throw new JinjaException(target is Undefined unknown ? $"{unknown.Description} is undefined, so it cannot be called." : $"a value of type {Values.TypeName(target)} cannot be called.", call.Line);
        return function(Evaluate(call.Arguments, call.Line));
    }

    private CallArguments Evaluate(Arguments arguments, int line)
        => new([.. arguments.Positional.Select(Evaluate)], [.. arguments.Named.Select(a => (a.Name, Evaluate(a.Value)))], line);
}
