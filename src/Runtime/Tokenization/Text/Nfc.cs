using System.Globalization;
using System.Text;

namespace Generated.Tokenization.Text;

/// <summary>
/// Unicode normalization form C. <see cref="string.Normalize()"/> cannot be used: with globalization-invariant .NET, which the
/// command is built for, it returns the text as it is.
/// </summary>
/// <remarks>Algorithm: Unicode Standard Annex 15 and chapter 3.12 (Hangul). Data: canonical.txt beside this file.</remarks>
internal static class Nfc
{
    private const int HangulBase = 0xAC00, HangulCount = 11172;
    private const int LeadBase = 0x1100, LeadCount = 19;
    private const int VowelBase = 0x1161, VowelCount = 21;
    private const int TailBase = 0x11A7, TailCount = 28;

    private static readonly Lazy<Tables> Data = new(Load);

    private sealed record Tables(
        Dictionary<int, (int First, int Second)> Decompositions, Dictionary<long, int> Compositions, Dictionary<int, byte> Classes);

    /// <summary>The text in form C; the same instance if nothing changes for certain.</summary>
    public static string Normalize(string text)
    {
        // Below U+0300 there is nothing to compose and every character is its own form C.
        if (!text.AsSpan().ContainsAnyExceptInRange('\0', '\u02FF'))
            return text;
        var tables = Data.Value;
        if (IsUnaffected(text))
            return text;

        var points = new List<int>(text.Length + 16);
        var classes = new List<byte>(text.Length + 16);
        for (int i = 0; i < text.Length; i++)
        {
            int point = text[i];
            if (char.IsHighSurrogate(text[i]) && i + 1 < text.Length && char.IsLowSurrogate(text[i + 1]))
                point = char.ConvertToUtf32(text[i], text[++i]);
            Decompose(point, tables, points, classes);
        }
        Reorder(points, classes);
        Compose(points, classes, tables);

        var result = new StringBuilder(text.Length);
        Span<char> pair = stackalloc char[2];
        foreach (int point in points)
        {
            if (point is >= 0xD800 and <= 0xDFFF)
                result.Append((char)point);
            else
                result.Append(pair[..new Rune(point).EncodeToUtf16(pair)]);
        }
        return result.ToString();
    }

    /// <summary>True if no character decomposes or combines: ideographs, kana without marks, composed Hangul and most others.</summary>
    private static bool IsUnaffected(string text)
    {
        foreach (char c in text)
        {
            if (c < 0x300 || c is (>= '\u4E00' and <= '\u9FFF') or (>= '\u3040' and <= '\u3098') or (>= '\u30A0' and <= '\u30FF'))
                continue;
            if (c is (>= '\uAC00' and <= '\uD7A3') or (>= '\u2000' and <= '\u206F' and not '\u2000' and not '\u2001'))
                continue;
            return false;
        }
        return true;
    }

    private static void Decompose(int point, Tables tables, List<int> points, List<byte> classes)
    {
        int syllable = point - HangulBase;
        if (syllable is >= 0 and < HangulCount)
        {
            Add(LeadBase + syllable / (VowelCount * TailCount), 0);
            Add(VowelBase + syllable / TailCount % VowelCount, 0);
            if (syllable % TailCount != 0)
                Add(TailBase + syllable % TailCount, 0);
        }
        else if (tables.Decompositions.TryGetValue(point, out var parts))
        {
            Decompose(parts.First, tables, points, classes);
            if (parts.Second != 0)
                Decompose(parts.Second, tables, points, classes);
        }
        else
        {
            Add(point, tables.Classes.GetValueOrDefault(point));
        }

        void Add(int p, byte c)
        {
            points.Add(p);
            classes.Add(c);
        }
    }

    /// <summary>Sorts each run of combining marks by class, keeping the order of equals.</summary>
    private static void Reorder(List<int> points, List<byte> classes)
    {
        for (int start = 0; start < points.Count; start++)
        {
            if (classes[start] == 0)
                continue;
            int end = start + 1;
            while (end < points.Count && classes[end] != 0)
                end++;
            if (end - start > 1)
            {
                var run = Enumerable.Range(start, end - start).Select(i => (Point: points[i], Class: classes[i])).OrderBy(m => m.Class).ToArray();
                for (int i = 0; i < run.Length; i++)
                    (points[start + i], classes[start + i]) = run[i];
            }
            start = end - 1;
        }
    }

    private static void Compose(List<int> points, List<byte> classes, Tables tables)
    {
        int starter = -1, kept = 0;
        byte lastClass = 0; // class of the last character kept after the starter
        for (int i = 0; i < points.Count; i++)
        {
            int point = points[i];
            byte kind = classes[i];
            bool adjacent = starter == kept - 1;
            if (starter >= 0 && (adjacent || (lastClass != 0 && lastClass < kind)) && TryCompose(points[starter], point, tables, out int composite))
            {
                points[starter] = composite;
                continue;
            }
            if (kind == 0)
                starter = kept;
            lastClass = kind;
            points[kept] = point;
            classes[kept] = kind;
            kept++;
        }
        points.RemoveRange(kept, points.Count - kept);
    }

    private static bool TryCompose(int first, int second, Tables tables, out int composite)
    {
        int lead = first - LeadBase, vowel = second - VowelBase;
        if (lead is >= 0 and < LeadCount && vowel is >= 0 and < VowelCount)
        {
            composite = HangulBase + (lead * VowelCount + vowel) * TailCount;
            return true;
        }
        int syllable = first - HangulBase, tail = second - TailBase;
        if (syllable is >= 0 and < HangulCount && syllable % TailCount == 0 && tail is > 0 and < TailCount)
        {
            composite = first + tail;
            return true;
        }
        return tables.Compositions.TryGetValue(((long)first << 32) | (uint)second, out composite);
    }

    private static Tables Load()
    {
        const string Resource = "Generated.Tokenization.canonical.txt";
        using var stream = typeof(Nfc).Assembly.GetManifestResourceStream(Resource)
            ?? throw new InvalidOperationException($"The resource {Resource} is missing from the assembly.");
        using var reader = new StreamReader(stream);
        var tables = new Tables(new(2100), new(1000), new(1000));
        while (reader.ReadLine() is { } line)
        {
            if (line.StartsWith('#'))
                continue;
            string[] fields = line.Split(' ');
            int code = Hex(fields[1]), first = Hex(fields[2]);
            if (fields[0] == "C")
            {
                byte kind = byte.Parse(fields[3], CultureInfo.InvariantCulture);
                for (int point = code; point <= first; point++)
                    tables.Classes[point] = kind;
                continue;
            }
            int second = fields.Length > 3 ? Hex(fields[3]) : 0;
            tables.Decompositions[code] = (first, second);
            if (fields[0] == "D")
                tables.Compositions[((long)first << 32) | (uint)second] = code;
        }
        return tables;

        static int Hex(string text) => int.Parse(text, NumberStyles.HexNumber, CultureInfo.InvariantCulture);
    }
}
