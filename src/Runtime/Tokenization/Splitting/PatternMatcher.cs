using System.Globalization;
using System.Text.RegularExpressions;

namespace Generated.Tokenization.Splitting;

/// <summary>
/// Finds a pattern's matches character by character: .NET matches UTF-16 units, so that a letter beyond U+FFFF would be two
/// characters of no category. Such characters are replaced, for matching only, by one of the same category.
/// </summary>
internal sealed class PatternMatcher(Regex regex, string where)
{
    private static readonly char[] CharOfCategory = FindRepresentatives();

    /// <summary>Appends the (start, end) of every match.</summary>
    public void Find(ReadOnlySpan<char> text, List<(int Start, int End)> matches)
    {
        int[]? offsets = null;
        if (text.ContainsAnyInRange('\uD800', '\uDBFF'))
            text = Image(text, out offsets);
        try
        {
            foreach (var match in regex.EnumerateMatches(text))
            {
                int end = match.Index + match.Length;
                matches.Add(offsets is null ? (match.Index, end) : (offsets[match.Index], offsets[end]));
            }
        }
        catch (RegexMatchTimeoutException slow)
        {
            throw new InvalidInputException($"{where}: the pattern \"{regex}\" takes too long on this text.", slow);
        }
    }

    /// <summary>The text with one unit per character, and where each of them starts in the original (with the end as the last).</summary>
    private static char[] Image(ReadOnlySpan<char> text, out int[] offsets)
    {
        var image = new List<char>(text.Length);
        var starts = new List<int>(text.Length + 1);
        for (int i = 0; i < text.Length; i++)
        {
            starts.Add(i);
            if (char.IsHighSurrogate(text[i]) && i + 1 < text.Length && char.IsLowSurrogate(text[i + 1]))
                image.Add(CharOfCategory[(int)CharUnicodeInfo.GetUnicodeCategory(char.ConvertToUtf32(text[i], text[++i]))]);
            else
                image.Add(text[i]);
        }
        starts.Add(text.Length);
        offsets = [.. starts];
        return [.. image];
    }

    /// <summary>The last character of each category below the presentation forms: none that a pattern would name.</summary>
    private static char[] FindRepresentatives()
    {
        var chars = new char[(int)UnicodeCategory.OtherNotAssigned + 1];
        for (char c = '\0'; c < '\uFB00'; c++)
            chars[(int)CharUnicodeInfo.GetUnicodeCategory(c)] = c;
        chars[(int)UnicodeCategory.Surrogate] = '\uFFFD';
        return chars;
    }
}
