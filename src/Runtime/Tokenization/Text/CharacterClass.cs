using System.Globalization;
using System.Runtime.CompilerServices;

namespace Generated.Tokenization.Text;

/// <summary>The classes of characters that pre-tokenizers tell apart.</summary>
internal enum CharacterClass : byte
{
    /// <summary>Neither letter, number nor whitespace.</summary>
    Other,

    /// <summary>Unicode category L.</summary>
    Letter,

    /// <summary>Unicode category N.</summary>
    Number,

    /// <summary>Unicode White_Space.</summary>
    Space,
}

/// <summary>Classifies characters by code point, astral ones too (a .NET regex sees those as two surrogates of no class).</summary>
internal static class CharacterClasses
{
    private static readonly CharacterClass[] Basic = [.. Enumerable.Range(0, 0x10000).Select(Compute)];

    /// <summary>Class of the character at a position, and how many UTF-16 units it takes.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static CharacterClass At(ReadOnlySpan<char> text, int position, out int units)
    {
        char c = text[position];
        units = 1;
        return char.IsHighSurrogate(c) ? AtSurrogate(text, position, out units) : Basic[c];
    }

    private static CharacterClass AtSurrogate(ReadOnlySpan<char> text, int position, out int units)
    {
        units = 1;
        if (position + 1 >= text.Length || !char.IsLowSurrogate(text[position + 1]))
            return CharacterClass.Other;
        units = 2;
        return Compute(char.ConvertToUtf32(text[position], text[position + 1]));
    }

    /// <summary>End of the run of one class that starts at a position.</summary>
    public static int RunEnd(ReadOnlySpan<char> text, int position, CharacterClass kind)
    {
        while (position < text.Length && At(text, position, out int units) == kind)
            position += units;
        return position;
    }

    private static CharacterClass Compute(int codePoint) => CharUnicodeInfo.GetUnicodeCategory(codePoint) switch
    {
        <= UnicodeCategory.OtherLetter => CharacterClass.Letter,
        >= UnicodeCategory.DecimalDigitNumber and <= UnicodeCategory.OtherNumber => CharacterClass.Number,
        _ => codePoint <= char.MaxValue && char.IsWhiteSpace((char)codePoint) ? CharacterClass.Space : CharacterClass.Other,
    };
}
