using System.Text;

namespace Generated.Checkpoints;

/// <summary>Puts names and shapes that come from a file into messages: short, and without control characters.</summary>
internal static class Describe
{
    private const int LongestName = 120;

    public static string Name(string name)
    {
        var text = new StringBuilder("'", Math.Min(name.Length, LongestName) + 8);
        foreach (var c in name.AsSpan(0, Math.Min(name.Length, LongestName)))
            text.Append(char.IsControl(c) || char.IsSurrogate(c) ? '?' : c);
        return text.Append(name.Length > LongestName ? "…'" : "'").ToString();
    }

    public static string Shape(ReadOnlySpan<long> shape)
    {
        const int Most = 12;
        var text = string.Join(", ", shape[..Math.Min(shape.Length, Most)].ToArray());
        return shape.Length > Most ? $"[{text}, … {shape.Length} axes]" : $"[{text}]";
    }

    /// <summary>The first few of many names, for "missing: a, b and 3 more".</summary>
    public static string Names(IReadOnlyCollection<string> names)
    {
        const int Most = 8;
        var listed = string.Join(", ", names.Take(Most).Select(Name));
        return names.Count > Most ? $"{listed} and {names.Count - Most} more" : listed;
    }
}
