using System.Globalization;
using System.Text;

namespace Generated.Tokenization.Chat.Jinja;

/// <summary>The filter tojson as Hugging Face defines it: Python's json.dumps without ASCII escapes or HTML escapes.</summary>
internal static class Json
{
    public static string Write(object? value, int? indent, int line)
    {
        var text = new StringBuilder();
        Write(value, indent, 0, text, line);
        return text.ToString();
    }

    private static void Write(object? value, int? indent, int depth, StringBuilder text, int line)
    {
        if (depth > 64)
            throw new JinjaException("tojson: the value is nested too deeply.", line);
        switch (value)
        {
            case null: text.Append("null"); break;
            case bool b: text.Append(b ? "true" : "false"); break;
            case long n: text.Append(n.ToString(CultureInfo.InvariantCulture)); break;
            case double d: text.Append(double.IsNaN(d) ? "NaN" : double.IsInfinity(d) ? d > 0 ? "Infinity" : "-Infinity" : Values.Float(d)); break;
            case string s: WriteString(s, text); break;
            case List<object?> list: WriteItems('[', ']', list, indent, depth, text, item => Write(item, indent, depth + 1, text, line)); break;
            case Dict dict:
                WriteItems('{', '}', dict.ToList(), indent, depth, text, entry =>
                {
                    WriteString(entry.Key, text);
                    text.Append(": ");
                    Write(entry.Value, indent, depth + 1, text, line);
                });
                break;
            default: throw new JinjaException($"tojson: a value of type {Values.TypeName(value)} cannot be written as JSON.", line);
        }
    }

    private static void WriteItems<T>(char open, char close, List<T> items, int? indent, int depth, StringBuilder text, Action<T> write)
    {
        text.Append(open);
        for (int i = 0; i < items.Count; i++)
        {
            if (i > 0)
                text.Append(indent is null ? ", " : ",");
            NewLine(indent, depth + 1, text);
            write(items[i]);
        }
        if (items.Count > 0)
            NewLine(indent, depth, text);
        text.Append(close);
    }

    private static void NewLine(int? indent, int depth, StringBuilder text)
    {
        if (indent is { } width)
            text.Append('\n').Append(' ', width * depth);
    }

    private static void WriteString(string value, StringBuilder text)
    {
        text.Append('"');
        foreach (char c in value)
        {
            _ = c switch
            {
                '"' => text.Append("\\\""),
                '\\' => text.Append("\\\\"),
                '\n' => text.Append("\\n"),
                '\r' => text.Append("\\r"),
                '\t' => text.Append("\\t"),
                '\b' => text.Append("\\b"),
                '\f' => text.Append("\\f"),
                < ' ' => text.Append(CultureInfo.InvariantCulture, $"\\u{(int)c:x4}"),
                _ => text.Append(c),
            };
        }
        text.Append('"');
    }
}
