using System.Text.RegularExpressions;
using Generated.Tokenization;
using Generated.Tokenization.Splitting;
using Microsoft.ML.Tokenizers;

namespace Runtime.Tests.Tokenization;

/// <summary>Microsoft.ML.Tokenizers as a second implementation, on whole files (where it is right: byte-level BPE, and tok512).</summary>
public sealed class LibraryAgreementTests
{
    [SkippableTheory]
    [InlineData("gpt2", "wikitext2_raw_test.txt")]
    [InlineData("opt", "tinyshakespeare.txt")]
    [InlineData("gpt2", "zh_xiyouji_ch1-30.txt")]
    [InlineData("qwen", "wikitext2_raw_test.txt")]
    [InlineData("qwen", "zh_xiyouji_ch1-30.txt")]
    public void Encode_WholeFile_EqualsTheLibrary(string folder, string file)
    {
        string text = TokenizerData.RequireText(file);
        text = text[..Math.Min(text.Length, 400_000)];
        string directory = TokenizerData.Require(folder);
        var expected = CreateLibrary(folder, directory).EncodeToIds(text);
        Assert.True(expected.Count > 50_000);
        Assert.Equal(expected, TokenizerLoader.Load(directory).Encode(text));
    }

    private static Microsoft.ML.Tokenizers.Tokenizer CreateLibrary(string folder, string directory)
    {
        string pattern = folder == "qwen" ? Cl100kSplitter.QwenPattern : Gpt2Splitter.Pattern;
        var words = new RegexPreTokenizer(new Regex(pattern), null);
        return folder == "qwen"
            ? TiktokenTokenizer.Create(Path.Combine(directory, "qwen.tiktoken"), words, null, null)
            : BpeTokenizer.Create(new Microsoft.ML.Tokenizers.BpeOptions(Path.Combine(directory, "vocab.json"), Path.Combine(directory, "merges.txt")) { ByteLevel = true, PreTokenizer = words });
    }
}
