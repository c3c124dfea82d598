using Generated.Tokenization.Text;

namespace Generated.Tokenization.Splitting;

/// <summary>Cuts text into words without gaps: hand-written equivalents of the patterns in wide use.</summary>
internal abstract class WordSplitter
{
    /// <summary>End of the word that starts at <paramref name="start"/> (which is less than the text's length).</summary>
    public abstract int WordEnd(ReadOnlySpan<char> text, int start);

    /// <summary>The hand-written splitter for a pattern, or null if there is none.</summary>
    public static WordSplitter? ForPattern(string pattern) => pattern switch
    {
        Gpt2Splitter.Pattern => new Gpt2Splitter(),
        Cl100kSplitter.Pattern => new Cl100kSplitter(longestNumber: 3),
        Cl100kSplitter.QwenPattern => new Cl100kSplitter(longestNumber: 1),
        _ => null,
    };

    /// <summary><c>\s+(?!\S)|\s+</c>: a run of whitespace, less its last character if a word follows.</summary>
    protected static int SpaceEnd(ReadOnlySpan<char> text, int start)
    {
        int end = CharacterClasses.RunEnd(text, start, CharacterClass.Space);
        return end < text.Length && end - start > 1 ? end - 1 : end;
    }

    /// <summary>Length of a contraction's ending ('s 't 're 've 'm 'll 'd) at an apostrophe, or 0.</summary>
    protected static int Contraction(ReadOnlySpan<char> text, int start, bool ignoreCase)
    {
        if (start + 1 >= text.Length || text[start] != '\'')
            return 0;
        char first = Lower(text[start + 1], ignoreCase);
        if (first is 's' or 't' or 'm' or 'd')
            return 2;
        if (start + 2 >= text.Length)
            return 0;
        return (first, Lower(text[start + 2], ignoreCase)) is ('r', 'e') or ('v', 'e') or ('l', 'l') ? 3 : 0;
    }

    // U+017F (long s) folds to s under Unicode's simple case folding, which the original regex engines use.
    private static char Lower(char c, bool ignoreCase)
        => !ignoreCase ? c : c == '\u017F' ? 's' : char.IsAsciiLetterUpper(c) ? (char)(c | 0x20) : c;
}

/// <summary>GPT-2's words.</summary>
internal sealed class Gpt2Splitter : WordSplitter
{
    public const string Pattern = @"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+";

    public override int WordEnd(ReadOnlySpan<char> text, int start)
    {
        int contraction = Contraction(text, start, ignoreCase: false);
        if (contraction > 0)
            return start + contraction;
        int word = text[start] == ' ' && start + 1 < text.Length ? start + 1 : start;
        var kind = CharacterClasses.At(text, word, out int units);
        return kind == CharacterClass.Space ? SpaceEnd(text, start) : CharacterClasses.RunEnd(text, word + units, kind);
    }
}

/// <summary>The words of cl100k (GPT-4, Llama 3) and of Qwen, which differ in how many digits make a number.</summary>
internal sealed class Cl100kSplitter(int longestNumber) : WordSplitter
{
    public const string Pattern = @"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
    public const string QwenPattern = @"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

    public override int WordEnd(ReadOnlySpan<char> text, int start)
    {
        int contraction = Contraction(text, start, ignoreCase: true);
        if (contraction > 0)
            return start + contraction;

        var kind = CharacterClasses.At(text, start, out int units);
        int second = start + units;
        if (kind == CharacterClass.Letter)
            return CharacterClasses.RunEnd(text, second, CharacterClass.Letter);
        if (kind == CharacterClass.Number)
            return NumberEnd(text, second);

        // Anything but a line end may lead a word.
        var next = second < text.Length ? CharacterClasses.At(text, second, out _) : CharacterClass.Space;
        if (next == CharacterClass.Letter && text[start] is not ('\r' or '\n'))
            return CharacterClasses.RunEnd(text, second, CharacterClass.Letter);

        if (kind == CharacterClass.Other || (text[start] == ' ' && next == CharacterClass.Other))
        {
            int end = CharacterClasses.RunEnd(text, second, CharacterClass.Other);
            while (end < text.Length && text[end] is '\r' or '\n')
                end++;
            return end;
        }
        int spaceEnd = CharacterClasses.RunEnd(text, start, CharacterClass.Space);
        int lastLineEnd = text[start..spaceEnd].LastIndexOfAny('\r', '\n');
        return lastLineEnd >= 0 ? start + lastLineEnd + 1 : SpaceEnd(text, start);
    }

    private int NumberEnd(ReadOnlySpan<char> text, int position)
    {
        for (int digits = 1; digits < longestNumber && position < text.Length; digits++)
        {
            if (CharacterClasses.At(text, position, out int units) != CharacterClass.Number)
                break;
            position += units;
        }
        return position;
    }
}
