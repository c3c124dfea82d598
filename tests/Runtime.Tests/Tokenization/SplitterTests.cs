using FsCheck;
using FsCheck.Fluent;
using FsCheck.Xunit;
using Generated;
using Generated.Tokenization.Splitting;

namespace Runtime.Tests.Tokenization;

public sealed class SplitterTests
{
    private static readonly string[] Atoms =
    [
        "a", "Z", "é", "中", "あ", "\U00010348", "\U0001D518", "1", "٣", "Ⅷ", "\U0001D7DA", " ", "  ", "\t", "\n", "\r\n", "\u00A0", "\u3000", "\u2028",
        "'", "'s", "'S", "'ll", "'LL", "'re", "'Ve", "'t", "'d", ".", ",", "!?", "-", "_", "\u0301", "\U0001F600", "\0", "\uFFFD", "\u200B",
    ];

    public static Arbitrary<string> Texts() => Gen.Elements(Atoms).ListOf().Select(string.Concat).ToArbitrary();

    public static TheoryData<string> Patterns() => [Gpt2Splitter.Pattern, Cl100kSplitter.Pattern, Cl100kSplitter.QwenPattern];

    /// <summary>The hand-written splitters against the patterns themselves.</summary>
    [Theory]
    [MemberData(nameof(Patterns))]
    public void WordEnd_AnyText_CutsAsThePatternDoes(string pattern)
    {
        var splitter = WordSplitter.ForPattern(pattern)!;
        var matcher = new PatternMatcher(RegexTranslator.Compile(pattern, "test"), "test");
        Prop.ForAll(Texts(), text =>
        {
            var expected = new List<(int Start, int End)>();
            matcher.Find(text, expected);
            var actual = new List<(int Start, int End)>();
            for (int start = 0; start < text.Length;)
            {
                int end = splitter.WordEnd(text, start);
                actual.Add((start, end));
                start = end;
            }
            Assert.Equal(expected, actual);
        }).Check(Config.QuickThrowOnFailure.WithMaxTest(2000));
    }

    [Fact]
    public void Contraction_LongS_IsAnSWhereCaseIsIgnored()
    {
        Assert.Equal(2, new Cl100kSplitter(1).WordEnd("'\u017Fa", 0));
        Assert.Equal(1, new Gpt2Splitter().WordEnd("'\u017Fa", 0));
    }

    /// <summary>Bloom's pattern: Oniguruma reads the inner bracket as a set inside the set.</summary>
    [Fact]
    public void Compile_SetInsideSet_IsTheirUnion()
    {
        var matches = Find(@" ?[^(\s|[.,!?…。，、।۔،])]+", "Hello, big (world). 你好。x|y");
        Assert.Equal(["Hello", " big", "world", " 你好", "x", "y"], matches);
    }

    [Theory]
    [InlineData(@"[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+", "(abc 12345", new[] { "(abc", "123", "45" })]
    [InlineData(@"(?:a|b)++c|.", "ababc", new[] { "ababc" })]
    [InlineData(@"(?:a)*+ab|.", "aab", new[] { "a", "a", "b" })]
    [InlineData(@"\x{4e2d}+", "x中中", new[] { "中中" })]
    [InlineData(@"[\p{^L}]+", "ab--c", new[] { "--" })]
    [InlineData(@"a{,2}b", "aab", new[] { "aab" })]
    public void Compile_OnigurumaForms_MatchAsThere(string pattern, string text, string[] expected) => Assert.Equal(expected, Find(pattern, text));

    [Theory]
    [InlineData("[a")]
    [InlineData("(")]
    [InlineData(@"\p{")]
    [InlineData(@"\p{NoSuchScript}")]
    [InlineData(@"[a&&b]")]
    [InlineData(@"[a[^b]]")]
    [InlineData("\\")]
    [InlineData("\U0001F600")]
    [InlineData("[[[[[[[[[[[[a]]]]]]]]]]]]")]
    public void Compile_DamagedOrUnknown_IsRefusedByName(string pattern)
        => Assert.Contains("here", Assert.Throws<InvalidInputException>(() => RegexTranslator.Compile(pattern, "here")).Message, StringComparison.Ordinal);

    [Property(MaxTest = 2000)]
    public void Compile_AnyPattern_CompilesOrIsRefused(string? pattern)
    {
        try
        {
            RegexTranslator.Compile(pattern ?? "", "here");
        }
        catch (InvalidInputException)
        {
            // A clear refusal; anything else fails the test.
        }
    }

    private static string[] Find(string pattern, string text)
    {
        var matches = new List<(int Start, int End)>();
        new PatternMatcher(RegexTranslator.Compile(pattern, "test"), "test").Find(text, matches);
        return [.. matches.Select(m => text[m.Start..m.End])];
    }
}
