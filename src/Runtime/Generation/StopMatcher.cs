using System.Text;

namespace Generated.Generation;

/// <summary>
/// Finds stop strings in text that arrives in pieces, across their borders. Text that may be the beginning of a stop string is
/// held back until it is clear that it is not.
/// </summary>
internal sealed class StopMatcher(IReadOnlyList<string> stops)
{
    private readonly StringBuilder _held = new();

    /// <summary>Whether a stop string has appeared. What follows it is dropped.</summary>
    public bool IsStopped { get; private set; }

    /// <summary>Adds a piece; returns the text that is certain.</summary>
    public string Add(string piece)
    {
        if (stops.Count == 0)
            return piece;
        if (IsStopped || piece.Length == 0)
            return "";
        var text = _held.Append(piece).ToString();
        var first = stops.Select(stop => text.IndexOf(stop, StringComparison.Ordinal)).Where(at => at >= 0).DefaultIfEmpty(-1).Min();
        IsStopped = first >= 0;
        var certain = IsStopped ? first : text.Length - stops.Max(stop => Overlap(text, stop));
        _held.Remove(0, IsStopped ? text.Length : certain);
        return text[..certain];
    }

    /// <summary>Ends the text; returns what was held back.</summary>
    public string Flush()
    {
        var rest = _held.ToString();
        _held.Clear();
        return rest;
    }

    /// <summary>Length of the longest end of <paramref name="text"/> that is a beginning of <paramref name="stop"/>.</summary>
    private static int Overlap(string text, string stop)
    {
        var length = Math.Min(text.Length, stop.Length - 1);
        while (length > 0 && !text.AsSpan(text.Length - length).SequenceEqual(stop.AsSpan(0, length)))
            length--;
        return length;
    }
}
