using System.Globalization;

namespace Generated.Tokenization.Chat.Jinja;

/// <summary>The filters that chat templates use, after Jinja's own.</summary>
internal static class Filters
{
    public static object? Apply(string name, object? value, CallArguments call)
    {
        switch (name)
        {
            case "trim": return Members.Strip(Values.ToText(value), call, left: true, right: true);
            case "upper": return Values.ToText(value).ToUpperInvariant();
            case "lower": return Values.ToText(value).ToLowerInvariant();
            case "title": return Members.Title(Values.ToText(value));
            case "capitalize": return Members.Capitalize(Values.ToText(value));
            case "string": return Values.ToText(value);
            case "safe": return value;
            case "escape" or "e": return Escape(Values.ToText(value));
            case "replace": return Members.Replace(Values.ToText(value), call);
            case "default" or "d":
                return value is Undefined || (Values.IsTrue(call.Get(1, "boolean", false)) && !Values.IsTrue(value)) ? call.Get(0, "default_value", "") : value;
            case "tojson": return Json.Write(value, call.Get(0, "indent") is long width and >= 0 and <= 32 ? (int)width : null, call.Line);
            case "length" or "count": return Length(value, call.Line);
            case "join": return Join(value, call);
            case "first": return Items(name, value, call.Line).FirstOrDefault(new Undefined("the first item of an empty list"));
            case "last": return Items(name, value, call.Line).LastOrDefault(new Undefined("the last item of an empty list"));
            case "list": return Items(name, value, call.Line).ToList();
            case "unique": return Items(name, value, call.Line).Aggregate(new List<object?>(), (seen, item) => Operations.Contains(seen, item, call.Line) ? seen : [.. seen, item]);
            case "reverse": return value is string text ? string.Concat(Values.Characters(text).Reverse()) : Items(name, value, call.Line).Reverse().ToList();
            case "sort": return Sort(value, call);
            case "items": return value is Dict dict ? dict.Select(p => (object?)new JinjaTuple([p.Key, p.Value])).ToList() : throw Wrong(name, value, call.Line);
            case "dictsort": return value is Dict sorted ? sorted.OrderBy(p => p.Key.ToLowerInvariant(), StringComparer.Ordinal).Select(p => (object?)new JinjaTuple([p.Key, p.Value])).ToList() : throw Wrong(name, value, call.Line);
            case "int": return ToInteger(value, call);
            case "float": return ToFloat(value, call);
            case "abs": return value is double d ? Math.Abs(d) : value is long n and > long.MinValue ? (object)Math.Abs(n) : throw Wrong(name, value, call.Line);
            case "round": return Math.Round(Values.Number(value), Math.Clamp((int)Values.Integer(call.Get(0, "precision", 0L)), 0, 15), MidpointRounding.ToEven);
            case "sum": return Items(name, value, call.Line).Aggregate((object)0L, (sum, item) => sum is long a && item is long b ? a + b : (object)(Values.Number(sum) + Values.Number(item)));
            case "max": return Items(name, value, call.Line).Aggregate((a, b) => Operations.Compare(">", b, a, call.Line) ? b : a);
            case "min": return Items(name, value, call.Line).Aggregate((a, b) => Operations.Compare("<", b, a, call.Line) ? b : a);
            case "indent": return Indent(Values.ToText(value), call);
            case "map": return Items(name, value, call.Line).Select(item => Map(item, call)).ToList();
            case "select": return Items(name, value, call.Line).Where(item => Selects(item, call, 0)).ToList();
            case "reject": return Items(name, value, call.Line).Where(item => !Selects(item, call, 0)).ToList();
            case "selectattr": return Items(name, value, call.Line).Where(item => Selects(Attribute(item, call.Require(0, "attribute"), call.Line), call, 1)).ToList();
            case "rejectattr": return Items(name, value, call.Line).Where(item => !Selects(Attribute(item, call.Require(0, "attribute"), call.Line), call, 1)).ToList();
            default: throw new JinjaException($"the filter \"{name}\" is not supported.", call.Line);
        }
    }

    private static IEnumerable<object?> Items(string filter, object? value, int line) => Values.Items(value) ?? throw Wrong(filter, value, line);

    private static JinjaException Wrong(string filter, object? value, int line) => new($"the filter \"{filter}\" cannot be applied to a value of type {Values.TypeName(value)}.", line);

    private static object Length(object? value, int line) => value switch
    {
        string text => (long)text.EnumerateRunes().Count(),
        List<object?> list => (long)list.Count,
        Dict dict => (long)dict.Count,
        Undefined => 0L,
        _ => throw Wrong("length", value, line),
    };

    private static string Join(object? value, CallArguments call)
    {
        var items = Items("join", value, call.Line);
        if (call.Get(1, "attribute") is { } attribute)
            items = items.Select(item => Attribute(item, attribute, call.Line));
        return string.Join(Values.ToText(call.Get(0, "d", "")), items.Select(Values.ToText));
    }

    /// <summary>A member by a path such as "function.name".</summary>
    private static object? Attribute(object? item, object? path, int line)
        => Values.ToText(path).Split('.').Aggregate(item, (value, name) => value is Undefined ? value : Members.GetItem(value, long.TryParse(name, out long index) ? index : name, line));

    private static object? Map(object? item, CallArguments call)
    {
        if (call.Get(int.MaxValue, "attribute") is { } attribute)
        {
            object? value = Attribute(item, attribute, call.Line);
            return value is Undefined ? call.Get(int.MaxValue, "default", value) : value;
        }
        return Apply(Values.ToText(call.Require(0, "filter")), item, call with { Positional = [.. call.Positional.Skip(1)] });
    }

    private static bool Selects(object? item, CallArguments call, int testAt)
        => call.Positional.Count <= testAt
            ? Values.IsTrue(item)
            : Tests.Holds(Values.ToText(call.Positional[testAt]), item, call with { Positional = [.. call.Positional.Skip(testAt + 1)] });

    private static List<object?> Sort(object? value, CallArguments call)
    {
        object? attribute = call.Get(2, "attribute");
        object? Key(object? item) => (attribute is null ? item : Attribute(item, attribute, call.Line)) is string text && !Values.IsTrue(call.Get(1, "case_sensitive"))
            ? text.ToLowerInvariant() : attribute is null ? item : Attribute(item, attribute, call.Line);
        var byKey = Comparer<object?>.Create((a, b) => Values.Compare(a, b) ?? throw Wrong("sort", value, call.Line));
        var items = Items("sort", value, call.Line);
        return [.. Values.IsTrue(call.Get(0, "reverse")) ? items.OrderByDescending(Key, byKey) : items.OrderBy(Key, byKey)];
    }

    private static object? ToInteger(object? value, CallArguments call) => value switch
    {
        long or bool => Values.Integer(value),
        double d when Math.Abs(d) < 9e18 => (long)d,
        string s when long.TryParse(s.Trim(), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out long n) => n,
        string s when double.TryParse(s, CultureInfo.InvariantCulture, out double d) && Math.Abs(d) < 9e18 => (long)d,
        _ => call.Get(0, "default", 0L),
    };

    private static object? ToFloat(object? value, CallArguments call) => value switch
    {
        bool or long or double => Values.Number(value),
        string s when double.TryParse(s, CultureInfo.InvariantCulture, out double d) => d,
        _ => call.Get(0, "default", 0.0),
    };

    private static string Indent(string text, CallArguments call)
    {
        string margin = call.Get(0, "width", 4L) is string given ? given : new string(' ', (int)Math.Clamp(Values.Integer(call.Get(0, "width", 4L)), 0, 256));
        bool first = Values.IsTrue(call.Get(1, "first")), blank = Values.IsTrue(call.Get(2, "blank"));
        return string.Join('\n', text.Split('\n').Select((line, i) => i == 0 ? (first ? margin + line : line) : line.Length > 0 || blank ? margin + line : line));
    }

    private static string Escape(string text) => text.Replace("&", "&amp;", StringComparison.Ordinal).Replace("<", "&lt;", StringComparison.Ordinal)
        .Replace(">", "&gt;", StringComparison.Ordinal).Replace("'", "&#39;", StringComparison.Ordinal).Replace("\"", "&#34;", StringComparison.Ordinal);
}
