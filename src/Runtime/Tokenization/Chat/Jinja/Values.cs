using System.Collections;
using System.Globalization;
using System.Text;
using System.Text.Json;

namespace Generated.Tokenization.Chat.Jinja;

/// <summary>A name or member that is not there. It prints as nothing and is false; its own members are errors.</summary>
internal sealed record Undefined(string Description);

/// <summary>A dictionary in the order of its entries.</summary>
internal sealed class Dict : OrderedDictionary<string, object?>;

/// <summary>A tuple: a list that prints with round brackets.</summary>
internal sealed class JinjaTuple(IEnumerable<object?> items) : List<object?>(items);

/// <summary>The object of namespace(): the one thing whose members a template may set.</summary>
internal sealed class Namespace
{
    public Dict Members { get; } = [];
}

/// <summary>Something that can be called: a function, a method of a value, a macro.</summary>
internal delegate object? Callable(CallArguments arguments);

/// <summary>Arguments of a call.</summary>
internal sealed record CallArguments(IReadOnlyList<object?> Positional, IReadOnlyList<(string Name, object? Value)> Named, int Line)
{
    /// <summary>An argument by position or name, or the fallback.</summary>
    public object? Get(int position, string name, object? fallback = null)
    {
        if (position < Positional.Count)
            return Positional[position];
        foreach (var (key, value) in Named)
        {
            if (key == name)
                return value;
        }
        return fallback;
    }

    public object? Require(int position, string name) => Get(position, name, this) is var value && !ReferenceEquals(value, this)
        ? value
        : throw new JinjaException($"the argument \"{name}\" is missing.", Line);
}

/// <summary>Values of templates: null, bool, long, double, string, lists, <see cref="Dict"/>, as Python treats them.</summary>
internal static class Values
{
    public static bool IsTrue(object? value) => value switch
    {
        null or Undefined => false,
        bool b => b,
        long n => n != 0,
        double d => d != 0,
        string s => s.Length > 0,
        ICollection items => items.Count > 0,
        _ => true,
    };

    public static string TypeName(object? value) => value switch
    {
        null => "None",
        Undefined => "undefined",
        bool => "bool",
        long => "int",
        double => "float",
        string => "str",
        List<object?> => "list",
        Dict => "dict",
        Callable => "function",
        _ => value.GetType().Name.ToLowerInvariant(),
    };

    public static bool AreEqual(object? a, object? b) => (a, b) switch
    {
        (null, null) => true,
        (Undefined, Undefined) => true,
        (bool or long or double, bool or long or double) => a is double || b is double ? Number(a) == Number(b) : Integer(a) == Integer(b),
        (string x, string y) => x == y,
        (List<object?> x, List<object?> y) => x.Count == y.Count && x.Zip(y).All(p => AreEqual(p.First, p.Second)),
        (Dict x, Dict y) => x.Count == y.Count && x.All(p => y.TryGetValue(p.Key, out var other) && AreEqual(p.Value, other)),
        _ => ReferenceEquals(a, b),
    };

    /// <summary>Order of numbers, strings and lists of them; null if there is none.</summary>
    public static int? Compare(object? a, object? b)
    {
        if (a is bool or long or double && b is bool or long or double)
            return a is double || b is double ? Number(a).CompareTo(Number(b)) : Integer(a).CompareTo(Integer(b));
        if (a is string x && b is string y)
            return string.CompareOrdinal(x, y);
        if (a is not List<object?> p || b is not List<object?> q)
            return null;
        for (int i = 0; i < Math.Min(p.Count, q.Count); i++)
        {
            if (Compare(p[i], q[i]) is not { } order || order != 0)
                return Compare(p[i], q[i]);
        }
        return p.Count.CompareTo(q.Count);
    }

    public static double Number(object? value) => value switch
    {
        bool b => b ? 1 : 0,
        long n => n,
        double d => d,
        _ => double.NaN,
    };

    public static long Integer(object? value) => value switch
    {
        bool b => b ? 1 : 0,
        long n => n,
        _ => 0,
    };

    /// <summary>What iterating over a value gives; null if it cannot be iterated over.</summary>
    public static IEnumerable<object?>? Items(object? value) => value switch
    {
        Undefined => [],
        List<object?> list => list,
        Dict dict => dict.Keys,
        string text => Characters(text),
        _ => null,
    };

    public static IEnumerable<object?> Characters(string text)
    {
        foreach (var rune in text.EnumerateRunes())
            yield return rune.ToString();
    }

    /// <summary>Python's str().</summary>
    public static string ToText(object? value) => value switch
    {
        string text => text,
        Undefined => "",
        _ => Repr(value),
    };

    /// <summary>Python's repr().</summary>
    public static string Repr(object? value)
    {
        switch (value)
        {
            case null: return "None";
            case bool b: return b ? "True" : "False";
            case long n: return n.ToString(CultureInfo.InvariantCulture);
            case double d: return Float(d);
            case string s: return Quote(s);
            case Undefined: return "Undefined";
            case JinjaTuple tuple: return $"({string.Join(", ", tuple.Select(Repr))}{(tuple.Count == 1 ? "," : "")})";
            case List<object?> list: return $"[{string.Join(", ", list.Select(Repr))}]";
            case Dict dict: return $"{{{string.Join(", ", dict.Select(p => $"{Quote(p.Key)}: {Repr(p.Value)}"))}}}";
            default: return $"<{TypeName(value)}>";
        }
    }

    /// <summary>Python's float formatting for the range where it uses no exponent, and its form of exponents.</summary>
    public static string Float(double value)
    {
        if (double.IsNaN(value))
            return "nan";
        if (double.IsInfinity(value))
            return value > 0 ? "inf" : "-inf";
        double size = Math.Abs(value);
        if (size != 0 && size is < 1e-4 or >= 1e16)
        {
            string text = value.ToString("R", CultureInfo.InvariantCulture);
            if (!text.Contains('E'))
                text = value.ToString("0.################E+00", CultureInfo.InvariantCulture);
            int e = text.IndexOf('E', StringComparison.Ordinal);
            int exponent = int.Parse(text.AsSpan(e + 1), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture);
            return $"{text[..e]}e{(exponent < 0 ? "-" : "+")}{Math.Abs(exponent):00}";
        }
        string plain = value.ToString("0.0###################", CultureInfo.InvariantCulture);
        string shortest = value.ToString("R", CultureInfo.InvariantCulture);
        return shortest.Contains('E') ? plain : shortest.Contains('.') ? shortest : shortest + ".0";
    }

    /// <summary>Values of a JSON document.</summary>
    public static object? FromJson(JsonElement element)
    {
        switch (element.ValueKind)
        {
            case JsonValueKind.True: return true;
            case JsonValueKind.False: return false;
            case JsonValueKind.String: return element.GetString();
            case JsonValueKind.Number: return element.TryGetInt64(out long n) ? n : element.GetDouble();
            case JsonValueKind.Array: return element.EnumerateArray().Select(FromJson).ToList();
            case JsonValueKind.Object:
                var dict = new Dict();
                foreach (var entry in element.EnumerateObject())
                    dict[entry.Name] = FromJson(entry.Value);
                return dict;
            default: return null;
        }
    }

    private static string Quote(string text)
    {
        char quote = text.Contains('\'') && !text.Contains('"') ? '"' : '\'';
        var quoted = new StringBuilder().Append(quote);
        foreach (char c in text)
        {
            quoted.Append(c switch
            {
                '\\' => "\\\\",
                '\n' => "\\n",
                '\r' => "\\r",
                '\t' => "\\t",
                _ when c == quote => "\\" + c,
                < ' ' or '\u007F' => $"\\x{(int)c:x2}",
                _ => c.ToString(),
            });
        }
        return quoted.Append(quote).ToString();
    }
}
