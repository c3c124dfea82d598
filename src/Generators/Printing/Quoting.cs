using System.Globalization;
using System.Text;

namespace Generated.Generators.Printing;

/// <summary>Text as C# and XML.</summary>
internal static class Quoting
{
    /// <summary>A C# string literal.</summary>
    public static string Literal(string text)
    {
        var result = new StringBuilder("\"");
        foreach (var c in text)
        {
            _ = c switch
            {
                '"' => result.Append("\\\""),
                '\\' => result.Append("\\\\"),
                < ' ' or '\u007f' or '\u0085' or '\u2028' or '\u2029' => result.Append("\\u").Append(((int)c).ToString("x4", CultureInfo.InvariantCulture)),
                _ => result.Append(c),
            };
        }

        return result.Append('"').ToString();
    }

    /// <summary>A checkpoint name as C#: an interpolated string where it has the block's index, which <paramref name="index"/> reads.</summary>
    public static string Template(string name, string index)
    {
        if (!name.Contains("{i}")) return Literal(name);
        var escaped = Literal(name.Replace("{i}", "\u0001")).Replace("{", "{{").Replace("}", "}}");
        return "$" + escaped.Replace("\\u0001", $"{{{index}}}");
    }

    /// <summary>Text inside an XML documentation comment.</summary>
    public static string Xml(string text) => text.Replace("&", "&amp;").Replace("<", "&lt;").Replace(">", "&gt;").Replace('\n', ' ').Replace('\r', ' ');

    public static string Literals(IEnumerable<string> texts) => $"[{string.Join(", ", texts.Select(Literal))}]";

    public static string Bool(bool value) => value ? "true" : "false";
}
