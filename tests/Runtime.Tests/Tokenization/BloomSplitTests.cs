using FsCheck;
using FsCheck.Fluent;
using FsCheck.Xunit;
using Generated.Tokenization.HuggingFace;
using Generated.Tokenization.Splitting;

namespace Runtime.Tests.Tokenization;

/// <summary>
/// The split pattern of Bloom's tokenizer.json. Its class nests another one, which the original's regex engine (Oniguruma) joins with it:
/// what is neither white space nor one of 14 characters is a word, with at most one space before it; what lies between words stays whole.
/// </summary>
public sealed class BloomSplitTests
{
    private const string Pattern = " ?[^(\\s|[.,!?\u2026\u3002\uFF0C\u3001\u0964\u06D4\u060C])]+";

    /// <summary>The characters beside white space that the class leaves out, as the original library does.</summary>
    private const string Apart = "!(),.?|\u060C\u06D4\u0964\u2026\u3001\u3002\uFF0C";

    private static readonly SplitPreTokenizer Splitter = new(new PatternMatcher(RegexTranslator.Compile(Pattern, "pattern"), "pattern"), SplitBehavior.Isolated, invert: false);

    [Theory]
    [InlineData("Hello, world!", "Hello|,| world|!")]
    [InlineData("a  b", "a| | b")]
    [InlineData("   x\n\ty", "  | x|\n\t|y")]
    [InlineData("f(x)=y[0]; \"q\"", "f|(|x|)|=y[0];| \"q\"")]
    [InlineData("你好，世界。再见", "你好|，|世界|。|再见")]
    [InlineData("नमस्ते। अच्छा", "नमस्ते|।| अच्छा")]
    [InlineData("مرحبا، كيف؟", "مرحبا|،| كيف؟")]
    [InlineData("wait... what?!", "wait|...| what|?!")]
    public void Text_IsCutAsTheOriginalCutsIt(string text, string expected) => Assert.Equal(expected, string.Join('|', Split(text)));

    [Property(MaxTest = 2000)]
    public Property AnyText_IsCutByTheRule()
    {
        var characters = Gen.Elements((Apart + " \t\n\r\u00A0\u3000\u2028abcXYZ019-:;\"'[]{}<>\u4F60\u597D\u0645\u0631\u0928\u00E9\uD83D\uDE00_").ToCharArray());
        return Prop.ForAll(characters.ArrayOf().ToArbitrary(), drawn => Assert.Equal(ByTheRule(new string(drawn)), Split(new string(drawn))));
    }

    private static List<string> Split(string text)
    {
        var parts = new List<Piece>();
        Splitter.Split(new Piece(text.AsMemory(), true), parts);
        return [.. parts.Select(p => p.Text.ToString())];
    }

    private static List<string> ByTheRule(string text)
    {
        var (parts, gap) = (new List<string>(), 0);
        for (var i = 0; i < text.Length;)
        {
            var word = text[i] == ' ' && i + 1 < text.Length && IsWord(text[i + 1]) ? i + 1 : i;
            if (!IsWord(text[word]))
            {
                i++;
                continue;
            }

            if (i > gap) parts.Add(text[gap..i]);
            var end = word;
            while (end < text.Length && IsWord(text[end])) end++;
            parts.Add(text[i..end]);
            i = gap = end;
        }

        if (text.Length > gap) parts.Add(text[gap..]);
        return parts;
    }

    private static bool IsWord(char c) => !char.IsWhiteSpace(c) && !Apart.Contains(c);
}
