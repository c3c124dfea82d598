using System.Buffers;
using System.Text;
using Generated.Tokenization;

namespace Runtime.Tests.Tokenization;

/// <summary>Every family under the abstraction of Microsoft.ML.Tokenizers.</summary>
public sealed class TokenizerAdapterTests
{
    private const string Text = "Once upon a time,  there was 1 naïve 语言 😀 \u0301x.\nThe end";

    [SkippableTheory]
    [InlineData("llama")]
    [InlineData("llama_hf")]
    [InlineData("gpt2")]
    [InlineData("qwen")]
    [InlineData("chatglm6b")]
    [InlineData("chatglm2")]
    [InlineData("glm_chinese")]
    public void Families_UnderTheAbstraction_EncodeAndDecodeAlike(string folder) => Compare(TokenizerLoader.Load(TokenizerData.Require(folder)));

    [Fact]
    public void Tok512_UnderTheAbstraction_EncodesAndDecodesAlike() => Compare(Tok512());

    [Fact]
    public void AddSpecial_IsAddedAndSkipped()
    {
        var library = new TokenizerAdapter(Tok512(), addSpecial: true);
        var ids = library.EncodeToIds("Once upon");
        Assert.Equal(Tok512().Encode("Once upon", addSpecial: true), ids);
        Assert.Equal("Once upon", library.Decode(ids));
        Assert.Equal((1, "<s>", 0..0), library.EncodeToTokens("Once upon", out _).Select(t => (t.Id, t.Value, t.Offset)).First());
    }

    [Fact]
    public void Arguments_ThatMeanNothing_AreRefused()
    {
        var library = new TokenizerAdapter(Tok512());
        Assert.Throws<ArgumentOutOfRangeException>(() => library.EncodeToIds("a", 0, out _, out _));
        Assert.Throws<ArgumentNullException>(() => library.Decode(null!));
        Assert.Throws<ArgumentNullException>(() => new TokenizerAdapter(null!));
    }

    private static void Compare(ITokenizer tokenizer)
    {
        Microsoft.ML.Tokenizers.Tokenizer library = new TokenizerAdapter(tokenizer);
        var ids = tokenizer.Encode(Text);
        string decoded = tokenizer.Decode(ids);
        Assert.Equal(ids, library.EncodeToIds(Text));
        Assert.Equal(ids, library.EncodeToIds(Text.AsSpan()));
        Assert.Equal(ids.Count, library.CountTokens(Text));
        Assert.Equal(decoded, library.Decode(ids));
        Assert.Empty(library.EncodeToIds(""));

        var tokens = library.EncodeToTokens(Text, out string? normalized);
        Assert.Equal(decoded, normalized ?? Text);
        Assert.Equal(ids, tokens.Select(t => t.Id));
        Assert.Equal(ids.Select(tokenizer.IdToToken), tokens.Select(t => t.Value));
        Assert.Equal(decoded, string.Concat(tokens.Select(t => decoded[t.Offset])));

        for (int count = 1; count <= ids.Count; count++)
        {
            Assert.Equal(ids.Take(count), library.EncodeToIds(Text, count, out _, out int consumed));
            Assert.Equal(tokens[count - 1].Offset.End.Value, consumed);
            Assert.Equal(consumed, library.GetIndexByTokenCount(Text, count, out _, out int found));
            Assert.Equal(count, found);
            Assert.Equal(tokens[^count].Offset.Start.Value, library.GetIndexByTokenCountFromEnd(Text, count, out _, out _));
        }
        DecodeInParts(library, ids, decoded);
    }

    /// <summary>Buffers of every size get whole characters, and what does not fit comes next.</summary>
    private static void DecodeInParts(Microsoft.ML.Tokenizers.Tokenizer library, IReadOnlyList<int> ids, string decoded)
    {
        for (int size = 12; size <= decoded.Length + 1; size++)
        {
            var text = new StringBuilder();
            var rest = ids;
            var status = OperationStatus.DestinationTooSmall;
            while (status == OperationStatus.DestinationTooSmall)
            {
                var buffer = new char[size];
                status = library.Decode(rest, buffer, out int consumed, out int written);
                Assert.True(consumed > 0, "nothing was decoded");
                Assert.DoesNotContain('\uFFFD', buffer.AsSpan(0, written).ToString());
                text.Append(buffer, 0, written);
                rest = [.. rest.Skip(consumed)];
            }
            Assert.Equal(OperationStatus.Done, status);
            // Sentencepiece drops a space at the beginning of what it decodes, also of a part.
            Assert.Equal(decoded.Replace(" ", "", StringComparison.Ordinal), text.ToString().Replace(" ", "", StringComparison.Ordinal));
        }
    }

    private static ITokenizer Tok512()
    {
        using var folder = new TemporaryFolder().Copy(TokenizerFixtures.Path("tok512.model"), "tokenizer.model");
        return TokenizerLoader.Load(folder.Path);
    }
}
