using Generated;
using Generated.Tokenization;

namespace Runtime.Tests.Tokenization;

/// <summary>Which tokenizer a folder has, its special tokens, and what is wrong with it.</summary>
public sealed class LoaderTests
{
    [Fact]
    public void Tok512_RecordedVectors_Agree()
    {
        var tokenizer = Tok512(out _);
        int rows = 0;
        foreach (var v in TokenizerData.Vectors(TokenizerFixtures.Path("tok512.jsonl")))
        {
            Assert.Equal(v.Ids(), tokenizer.Encode(v.Text));
            Assert.Equal(v.String("decoded"), tokenizer.Decode(v.Ids()));
            rows++;
        }
        Assert.Equal(269, rows);
    }

    [Fact]
    public void Load_SentencePieceWithoutConfigs_TakesTheModelsOwnTokens()
    {
        var tokenizer = Tok512(out _);
        Assert.Equal(1, tokenizer.BosId);
        Assert.Equal([2], tokenizer.EosIds);
        Assert.Null(tokenizer.PadId);
        Assert.Equal(512, tokenizer.VocabSize);
        Assert.Equal([1, .. tokenizer.Encode("Once")], tokenizer.Encode("Once", addSpecial: true));
        Assert.Equal(1, tokenizer.TokenToId("<s>"));
        Assert.Equal("</s>", tokenizer.IdToToken(2));
        Assert.Null(tokenizer.IdToToken(512));
        Assert.Null(tokenizer.TokenToId("no such token"));
    }

    [Fact]
    public void EncodePrompt_SpecialTokensInText_BecomeIds()
    {
        var tokenizer = Tok512(out _);
        Assert.Equal([1, .. tokenizer.Encode("One"), 2, 1, .. tokenizer.Encode("Two")], tokenizer.EncodePrompt("<s>One</s><s>Two"));
        Assert.DoesNotContain(1, tokenizer.Encode("<s>One</s>"));
    }

    [Fact]
    public void Load_ConfigFiles_DecideRolesAndAddedTokens()
    {
        using var folder = Tok512Folder()
            .Write("tokenizer_config.json", """{"add_bos_token": false, "add_eos_token": true, "eos_token": {"content": "<|end|>"}, "pad_token": "<unk>", "additional_special_tokens": ["<s>"]}""")
            .Write("added_tokens.json", """{"<|end|>": 512, "<|user|>": 513}""")
            .Write("config.json", """{"eos_token_id": 2, "bos_token_id": 1}""");
        var tokenizer = TokenizerLoader.Load(folder.Path);
        Assert.Equal(514, tokenizer.VocabSize);
        Assert.Equal([2, 512], tokenizer.EosIds);
        Assert.Equal(0, tokenizer.PadId);
        Assert.Equal([.. tokenizer.Encode("a"), 512], tokenizer.Encode("a", addSpecial: true));
        Assert.Equal([513, .. tokenizer.Encode("a")], tokenizer.EncodePrompt("<|user|>a"));
        Assert.Equal("<|user|>a", tokenizer.Decode([513, .. tokenizer.Encode("a")], skipSpecial: false).Replace("> a", ">a", StringComparison.Ordinal));
        Assert.Equal("a", tokenizer.Decode([513, .. tokenizer.Encode("a"), 512]));
    }

    [Theory]
    [InlineData(-1)]
    [InlineData(512)]
    [InlineData(int.MaxValue)]
    public void Decode_IdBeyondTheVocabulary_IsNothing(int id)
    {
        var tokenizer = Tok512(out _);
        Assert.Equal("Once upon", tokenizer.Decode([id, .. tokenizer.Encode("Once upon"), id]));
    }

    [Fact]
    public void Stream_CharacterOfSeveralBytes_ComesOutWhole()
    {
        var tokenizer = Tok512(out _);
        var ids = tokenizer.Encode("中🦙");
        Assert.True(ids.Count > 7, "this tokenizer writes both as bytes");
        var stream = tokenizer.CreateStreamingDecoder();
        string[] parts = [.. ids.Select(stream.Add)];
        Assert.Equal(["中", "🦙"], parts.Where(p => p.Length > 0));
        Assert.Equal("", stream.Flush());
    }

    [Fact]
    public void Stream_UnfinishedCharacter_IsReplacedAtTheEnd()
    {
        var tokenizer = Tok512(out _);
        var ids = tokenizer.Encode("中").SkipLast(1).ToArray();
        var stream = tokenizer.CreateStreamingDecoder();
        Assert.Equal("", string.Concat(ids.Select(stream.Add)));
        Assert.Equal("\uFFFD\uFFFD", stream.Flush());
        Assert.Equal("Once", string.Concat(tokenizer.Encode("Once").Select(stream.Add)) + stream.Flush());
    }

    [Fact]
    public void Encode_ManyThreads_GiveTheSameIds()
    {
        var tokenizer = Tok512(out _);
        string[] texts = [.. TokenizerData.Vectors(TokenizerFixtures.Path("tok512.jsonl")).Select(v => v.Text)];
        int[][] expected = [.. texts.Select(t => tokenizer.Encode(t).ToArray())];
        Parallel.For(0, 8 * texts.Length, i => Assert.Equal(expected[i % texts.Length], tokenizer.Encode(texts[i % texts.Length])));
    }

    [Fact]
    public void Encode_LongRuns_TakeNoQuadraticTime()
    {
        var tokenizer = Tok512(out _);
        string text = new string('a', 300_000) + new string(' ', 300_000) + string.Concat(Enumerable.Repeat("ab", 150_000));
        var clock = System.Diagnostics.Stopwatch.StartNew();
        Assert.Equal(600_001, tokenizer.Decode(tokenizer.Encode(text)).Length);
        Assert.True(clock.Elapsed < TimeSpan.FromSeconds(20), $"took {clock.Elapsed}");
    }

    [Fact]
    public void RequireFits_TokenizerOfAnotherModel_IsRefused()
    {
        var tokenizer = Tok512(out string path);
        TokenizerLoader.RequireFits(tokenizer, 512, path);
        TokenizerLoader.RequireFits(tokenizer, 640, path);
        var refused = Assert.Throws<InvalidInputException>(() => TokenizerLoader.RequireFits(tokenizer, 511, path));
        Assert.Contains("512 ids", refused.Message, StringComparison.Ordinal);
        Assert.Contains("another model", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Load_NoTokenizer_NamesTheFilesLookedFor()
    {
        using var folder = new TemporaryFolder().Write("config.json", "{}");
        string message = Assert.Throws<InvalidInputException>(() => TokenizerLoader.Load(folder.Path)).Message;
        foreach (string file in new[] { "tokenizer.model", "tokenizer.json", "vocab.json", "merges.txt", "*.tiktoken", "ice_text.model", folder.Path })
            Assert.Contains(file, message, StringComparison.Ordinal);
    }

    [Fact]
    public void Load_NoFolder_IsRefused()
        => Assert.Throws<InvalidInputException>(() => TokenizerLoader.Load(Path.Combine(Path.GetTempPath(), "no-such-folder-of-a-tokenizer")));

    [Fact]
    public void Load_GptFiles_TakesRolesFromVocabularyAndConfig()
    {
        // GPT-2's file, then OPT's (fairseq's tokens in front), then GLM's (GPT-2's with tokens added).
        using var gpt = new TemporaryFolder().Write("vocab.json", Alphabet("\"<|endoftext|>\": 256")).Write("merges.txt", "");
        var tokenizer = TokenizerLoader.Load(gpt.Path);
        Assert.Equal((256, 256), (tokenizer.BosId, tokenizer.EosIds.Single()));
        Assert.Equal([65, 256, 66], tokenizer.EncodePrompt("A<|endoftext|>B"));
        Assert.Equal([65], tokenizer.Encode("A", addSpecial: true));
        Assert.Equal("A", tokenizer.Decode([65, 256]));

        using var opt = new TemporaryFolder().Write("vocab.json", Alphabet("\"<s>\": 256, \"<pad>\": 257, \"</s>\": 258")).Write("merges.txt", "#version: 0.2\n");
        tokenizer = TokenizerLoader.Load(opt.Path);
        Assert.Equal([258, 65], tokenizer.Encode("A", addSpecial: true));
        Assert.Equal((258, 257), (tokenizer.BosId, tokenizer.PadId));

        gpt.Write("tokenizer_config.json", """{"tokenizer_class": "GLMGPT2Tokenizer", "cls_token": "[CLS]", "eos_token": "<|endoftext|>"}""")
            .Write("added_tokens.json", """{"[CLS]": 257, "[MASK]": 258, "<|startofpiece|>": 259, "<|endofpiece|>": 260}""");
        tokenizer = TokenizerLoader.Load(gpt.Path);
        Assert.Equal([257, 65, 256], tokenizer.Encode("A", addSpecial: true));
        Assert.Equal([65, 258, 66], tokenizer.EncodePrompt("A[MASK]B"));
        Assert.Equal([256, 260], tokenizer.EosIds);
        Assert.Equal(261, tokenizer.VocabSize);
    }

    [Theory]
    [InlineData("added_tokens.json", """{"<x>": 2147483647}""", "<x>")]
    [InlineData("added_tokens.json", """{"<x>": "five"}""", "<x>")]
    [InlineData("tokenizer_config.json", """{"added_tokens_decoder": {"-1": {"content": "x"}}}""", "\"-1\"")]
    [InlineData("tokenizer_config.json", """{"added_tokens_decoder": {"7": {}}}""", "\"7\"")]
    [InlineData("tokenizer_config.json", "{", "no valid JSON")]
    [InlineData("config.json", "[]", "not a JSON object")]
    public void Load_DamagedConfig_NamesTheFile(string file, string content, string said)
    {
        using var folder = Tok512Folder().Write(file, content);
        string message = Assert.Throws<InvalidInputException>(() => TokenizerLoader.Load(folder.Path)).Message;
        Assert.Contains(file, message, StringComparison.Ordinal);
        Assert.Contains(said, message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("qwen.tiktoken", "IQ== 0\nIg= 1\n", "line 2")]
    [InlineData("qwen.tiktoken", "IQ== 0\nIg== x\n", "line 2")]
    [InlineData("qwen.tiktoken", "IQ== 0\nIg== 0\n", "rank 0")]
    [InlineData("qwen.tiktoken", "IQ== 0\nIg== 7\n", "rank 7")]
    [InlineData("qwen.tiktoken", "IQ== 0\n", "byte 0x00")]
    [InlineData("qwen.tiktoken", "", "no tokens")]
    [InlineData("tokenizer.model", "", "no pieces")]
    [InlineData("tokenizer.model", "version https://git-lfs.github.com/spec/v1", "damaged")]
    public void Load_DamagedFile_SaysWhatIsWrong(string file, string content, string said)
    {
        using var folder = new TemporaryFolder().Write(file, content);
        string message = Assert.Throws<InvalidInputException>(() => TokenizerLoader.Load(folder.Path)).Message;
        Assert.Contains(file, message, StringComparison.Ordinal);
        Assert.Contains(said, message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("a b c\n", "line 1")]
    [InlineData("#version: 0.2\na\n", "line 2")]
    [InlineData("#version: 0.2\na zz\n", "\"zz\"")]
    public void Load_DamagedMerges_SaysWhatIsWrong(string merges, string said)
    {
        using var folder = new TemporaryFolder().Write("vocab.json", Alphabet()).Write("merges.txt", merges);
        string message = Assert.Throws<InvalidInputException>(() => TokenizerLoader.Load(folder.Path)).Message;
        Assert.Contains("merges.txt", message, StringComparison.Ordinal);
        Assert.Contains(said, message, StringComparison.Ordinal);
    }

    [Fact]
    public void Load_TwoModels_AsksWhichOne()
    {
        using var folder = Tok512Folder("a.model").Copy(TokenizerFixtures.Path("tok512.model"), "b.model");
        Assert.Contains("a.model, b.model", Assert.Throws<InvalidInputException>(() => TokenizerLoader.Load(folder.Path)).Message, StringComparison.Ordinal);
    }

    /// <summary>A vocabulary of the 256 bytes in the order of their values, and more.</summary>
    private static string Alphabet(string more = "\"more\": 256")
        => $"{{{string.Join(", ", Enumerable.Range(0, 256).Select(b => $"\"\\u{(int)Generated.Tokenization.ByteLevel.ByteAlphabet.ToChar((byte)b):X4}\": {b}"))}, {more}}}";

    private static TemporaryFolder Tok512Folder(string name = "tokenizer.model") => new TemporaryFolder().Copy(TokenizerFixtures.Path("tok512.model"), name);

    private static ITokenizer Tok512(out string path)
    {
        using var folder = Tok512Folder();
        path = folder.Path;
        return TokenizerLoader.Load(folder.Path);
    }
}
