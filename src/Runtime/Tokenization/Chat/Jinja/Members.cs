using System.Globalization;

namespace Generated.Tokenization.Chat.Jinja;

/// <summary>Members and items of values, and the methods that strings, dictionaries and lists have in Python.</summary>
internal static class Members
{
    /// <summary>value.name: a method or attribute first, an item of that name second.</summary>
    public static object? Get(object? target, string name, int line)
    {
        if (target is Undefined unknown)
            throw new JinjaException($"{unknown.Description} is undefined, so it has no member \"{name}\".", line);
        if (target is Namespace space)
            return space.Members.TryGetValue(name, out object? member) ? member : new Undefined($"\"{name}\"");
        Callable? method = target switch
        {
            string text => StringMethod(text, name),
            Dict dict => DictMethod(dict, name),
            List<object?> list => ListMethod(list, name),
            _ => null,
        };
        return method ?? (target is Dict items && items.TryGetValue(name, out object? value) ? value : new Undefined($"\"{name}\""));
    }

    /// <summary>value[key].</summary>
    public static object? GetItem(object? target, object? key, int line)
    {
        switch (target, key)
        {
            case (Undefined unknown, _):
                throw new JinjaException($"{unknown.Description} is undefined, so it has no items.", line);
            case (Dict dict, _):
                return key is string name && dict.TryGetValue(name, out object? value) ? value
                    : key is string method && DictMethod(dict, method) is { } found ? found : new Undefined($"{Values.Repr(key)}");
            case (List<object?> list, long or bool):
                return At(list, Values.Integer(key));
            case (string text, long or bool):
                return At([.. Values.Characters(text)], Values.Integer(key));
            case (_, string attribute):
                return Get(target, attribute, line);
            default:
                return new Undefined(Values.Repr(key));
        }
    }

    private static object? At(List<object?> list, long index)
    {
        if (index < 0)
            index += list.Count;
        return index >= 0 && index < list.Count ? list[(int)index] : new Undefined($"the item {index}");
    }

    private static Callable? DictMethod(Dict dict, string name) => name switch
    {
        "items" => _ => dict.Select(p => (object?)new JinjaTuple([p.Key, p.Value])).ToList(),
        "keys" => _ => dict.Keys.Cast<object?>().ToList(),
        "values" => _ => dict.Values.ToList(),
        "get" => call => call.Require(0, "key") is string key && dict.TryGetValue(key, out object? value) ? value : call.Get(1, "default"),
        "copy" => _ => Copy(dict),
        _ => null,
    };

    private static Dict Copy(Dict dict)
    {
        var copy = new Dict();
        foreach (var (key, value) in dict)
            copy[key] = value;
        return copy;
    }

    private static Callable? ListMethod(List<object?> list, string name) => name switch
    {
        "index" => call => list.FindIndex(item => Values.AreEqual(item, call.Require(0, "value"))) is >= 0 and int index
            ? (long)index : throw new JinjaException("index: the value is not in the list.", call.Line),
        "count" => call => (long)list.Count(item => Values.AreEqual(item, call.Require(0, "value"))),
        "append" or "extend" or "insert" or "pop" or "remove" or "clear" or "sort" or "reverse" =>
            call => throw new JinjaException($"lists cannot be changed ({name}); make a new one with +.", call.Line),
        _ => null,
    };

    private static Callable? StringMethod(string text, string name) => name switch
    {
        "strip" => call => Strip(text, call, left: true, right: true),
        "lstrip" => call => Strip(text, call, left: true, right: false),
        "rstrip" => call => Strip(text, call, left: false, right: true),
        "startswith" => call => AnyOf(call, part => text.StartsWith(part, StringComparison.Ordinal)),
        "endswith" => call => AnyOf(call, part => text.EndsWith(part, StringComparison.Ordinal)),
        "removeprefix" => call => Text(call, 0) is var prefix && prefix.Length > 0 && text.StartsWith(prefix, StringComparison.Ordinal) ? text[prefix.Length..] : text,
        "removesuffix" => call => Text(call, 0) is var suffix && suffix.Length > 0 && text.EndsWith(suffix, StringComparison.Ordinal) ? text[..^suffix.Length] : text,
        "upper" => _ => text.ToUpperInvariant(),
        "lower" => _ => text.ToLowerInvariant(),
        "title" => _ => Title(text),
        "capitalize" => _ => Capitalize(text),
        "split" => call => Split(text, call),
        "splitlines" => _ => text.Length == 0 ? [] : (text.EndsWith('\n') ? text[..^1] : text).Split('\n').Select(l => (object?)l.TrimEnd('\r')).ToList(),
        "replace" => call => Replace(text, call),
        "join" => call => string.Join(text, (Values.Items(call.Require(0, "items")) ?? []).Select(Values.ToText)),
        "find" => call => (long)text.IndexOf(Text(call, 0), StringComparison.Ordinal),
        "rfind" => call => (long)text.LastIndexOf(Text(call, 0), StringComparison.Ordinal),
        "count" => call => Text(call, 0) is { Length: > 0 } part ? (long)text.Split(part).Length - 1 : text.Length + 1L,
        "isdigit" => _ => text.Length > 0 && text.All(char.IsDigit),
        "isalpha" => _ => text.Length > 0 && text.All(char.IsLetter),
        "isspace" => _ => text.Length > 0 && text.All(char.IsWhiteSpace),
        "isupper" => _ => text.Any(char.IsUpper) && !text.Any(char.IsLower),
        "islower" => _ => text.Any(char.IsLower) && !text.Any(char.IsUpper),
        _ => null,
    };

    internal static string Replace(string text, CallArguments call)
    {
        string old = Text(call, 0), with = Text(call, 1);
        long count = call.Get(2, "count") is long n ? n : -1;
        if (count < 0)
            return old.Length > 0 ? text.Replace(old, with, StringComparison.Ordinal) : throw new JinjaException("replace needs a text to look for.", call.Line);
        for (int at = text.IndexOf(old, StringComparison.Ordinal); count > 0 && at >= 0 && old.Length > 0; count--)
        {
            text = string.Concat(text.AsSpan(0, at), with, text.AsSpan(at + old.Length));
            at = text.IndexOf(old, at + with.Length, StringComparison.Ordinal);
        }
        return text;
    }

    internal static string Strip(string text, CallArguments call, bool left, bool right)
    {
        char[]? characters = call.Get(0, "chars") is string set ? set.ToCharArray() : null;
        if (characters is { Length: 0 })
            return text;
        if (left)
            text = text.TrimStart(characters);
        return right ? text.TrimEnd(characters) : text;
    }

    internal static string Title(string text) => string.Concat(text.Select((c, i) =>
        i > 0 && char.IsLetter(text[i - 1]) ? char.ToLower(c, CultureInfo.InvariantCulture) : char.ToUpper(c, CultureInfo.InvariantCulture)));

    internal static string Capitalize(string text) => text.Length == 0 ? text : char.ToUpper(text[0], CultureInfo.InvariantCulture) + text[1..].ToLowerInvariant();

    private static List<object?> Split(string text, CallArguments call)
    {
        int most = call.Get(1, "maxsplit") is long n and >= 0 and < int.MaxValue ? (int)n + 1 : int.MaxValue;
        if (call.Get(0, "sep") is not string separator)
        {
            var words = text.Split((char[]?)null, most, StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
            return [.. words];
        }
        return separator.Length > 0 ? [.. text.Split(separator, most)] : throw new JinjaException("split: the separator is empty.", call.Line);
    }

    private static bool AnyOf(CallArguments call, Func<string, bool> holds)
        => call.Require(0, "text") is List<object?> several ? several.OfType<string>().Any(holds) : holds(Text(call, 0));

    private static string Text(CallArguments call, int position)
        => call.Require(position, "text") as string ?? throw new JinjaException($"argument {position + 1} must be a string.", call.Line);
}
