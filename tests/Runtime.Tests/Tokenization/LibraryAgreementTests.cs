using System.Text;
using System.Text.RegularExpressions;
using Generated.Tokenization;
using Generated.Tokenization.SentencePiece;
using Generated.Tokenization.Splitting;
using Generated.Tokenization.Text;
using Microsoft.ML.Tokenizers;

namespace Runtime.Tests.Tokenization;

/// <summary>
/// The tokenizers of Microsoft.ML.Tokenizers as they come, beside this project's, which use its models inside: where they agree, and
/// why more than they is needed.
/// </summary>
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

    /// <summary>
    /// Qwen's text is brought to Unicode's form C first, which the library leaves to its caller; and its pattern's classes of letters
    /// and digits do not reach beyond 16 bits in the library, which therefore splits such text otherwise.
    /// </summary>
    [SkippableTheory]
    [InlineData("gpt2")]
    [InlineData("opt")]
    [InlineData("qwen")]
    public void ByteLevelBpe_OfTheLibrary_GivesEveryRecordedId(string folder)
    {
        var library = CreateLibrary(folder, TokenizerData.Require(folder));
        string Prepared(string text) => folder == "qwen" ? Nfc.Normalize(text) : text;

        bool IsKnownToDiffer(string text) => folder == "qwen" && text.EnumerateRunes().Any(rune => !rune.IsBmp && Rune.IsLetterOrDigit(rune));

        Assert.Empty(Recorded(folder).Where(vector => !IsKnownToDiffer(vector.Text)).Where(vector => !library.EncodeToIds(Prepared(vector.Text)).SequenceEqual(vector.Ids())).Select(vector => vector.Text));
    }

    /// <summary>
    /// Why sentencepiece models reach the library piece by piece (<see cref="Generated.Tokenization.Bpe.PieceMerger"/>): given the file,
    /// its ids differ from the recorded ones. If this fails because a newer library differs no more, give it the file.
    /// </summary>
    [SkippableTheory]
    [InlineData("llama", "tokenizer.model")]
    [InlineData("baichuan", "tokenizer.model")]
    [InlineData("chinese_llama2", "tokenizer.model")]
    [InlineData("chatglm2", "tokenizer.model")]
    [InlineData("glm_chinese", "cog-pretrain.model")]
    public void SentencePiece_OfTheLibrary_DiffersFromRecordedIds(string folder, string file)
    {
        using var model = File.OpenRead(Path.Combine(TokenizerData.Require(folder), file));
        var library = Microsoft.ML.Tokenizers.SentencePieceTokenizer.Create(model, addBeginningOfSentence: false, addEndOfSentence: false);

        Assert.Contains(Recorded(folder), vector => !library.EncodeToIds(vector.Text).SequenceEqual(vector.Ids()));
    }

    /// <summary>
    /// Why text is normalized here (<see cref="Generated.Tokenization.SentencePiece.Normalizer"/>): where extra spaces are removed, the library's normalizer loses a text
    /// of one character and keeps one of spaces. The originals' results are recorded in golden.jsonl ("norm").
    /// </summary>
    [Fact]
    public void Normalizer_OfTheLibrary_LosesATextOfOneCharacter()
    {
        byte[] model = File.ReadAllBytes(TokenizerFixtures.Path("tok512.model"));
        var library = LibraryNormalizer(model);
        var own = new Generated.Tokenization.SentencePiece.SentencePieceTokenizer(SentencePieceModel.Parse(model, "tok512"), new SpecialTokens());
        Assert.Equal(("", "\u2581"), (library.Normalize("0"), library.Normalize("   ")));
        Assert.Equal(("\u25810", ""), (own.Normalize("0"), own.Normalize("   ")));
    }

    /// <summary>It also does not find most entries of a normalization table: full-width and superior characters stay as they are.</summary>
    [SkippableTheory]
    [InlineData("baichuan", "tokenizer.model")]
    [InlineData("glm_chinese", "cog-pretrain.model")]
    [InlineData("chatglm6b", "ice_text.model")]
    public void Normalizer_OfTheLibrary_LeavesCharactersOfTheTable(string folder, string file)
    {
        string directory = TokenizerData.Require(folder);
        var recorded = TokenizerData.Vectors(Path.Combine(directory, "golden.jsonl")).Single(vector => vector.Text == "²³¹½¾Ⅷⅳ");
        Assert.Equal("\u25812311⁄23⁄4VIIIiv", recorded.String("norm"));
        Assert.Equal("\u2581²³¹½¾Ⅷⅳ", LibraryNormalizer(File.ReadAllBytes(Path.Combine(directory, file))).Normalize(recorded.Text));
    }

    private static Microsoft.ML.Tokenizers.Normalizer LibraryNormalizer(byte[] model)
    {
        using var file = new MemoryStream(model);
        return Microsoft.ML.Tokenizers.SentencePieceTokenizer.Create(file, addBeginningOfSentence: false, addEndOfSentence: false).Normalizer!;
    }

    private static IEnumerable<Vector> Recorded(string folder) =>
        new[] { "golden.jsonl", "llamacpp.jsonl" }.SelectMany(file => TokenizerData.Vectors(Path.Combine(TokenizerData.Require(folder), file)));

    private static Microsoft.ML.Tokenizers.Tokenizer CreateLibrary(string folder, string directory)
    {
        string pattern = folder == "qwen" ? Cl100kSplitter.QwenPattern : Gpt2Splitter.Pattern;
        var words = new RegexPreTokenizer(new Regex(pattern), null);
        return folder == "qwen"
            ? TiktokenTokenizer.Create(Path.Combine(directory, "qwen.tiktoken"), words, null, null)
            : BpeTokenizer.Create(new Microsoft.ML.Tokenizers.BpeOptions(Path.Combine(directory, "vocab.json"), Path.Combine(directory, "merges.txt")) { ByteLevel = true, PreTokenizer = words });
    }
}
