using System.Text.Json.Nodes;

namespace Cli.Tests;

/// <summary>Tokenizer files between Hugging Face's folders and PaddleNLP's, whose classes look for other names.</summary>
public sealed class ConvertTokenizerTests
{
    [Theory]
    [InlineData("llama", "sentencepiece.bpe.model")]
    [InlineData("baichuan-7b", "sentencepiece.bpe.model")]
    [InlineData("chatglm2", "tokenizer.model")]
    public async Task SentencePiece_HasTheNameThatPaddleNlpLooksFor(string family, string name)
    {
        using var folder = Data.Temporary();
        Data.Copy(Data.Fixture(family), folder["hf"]);
        File.Copy(Data.Fixture("tokenization", "tok512.model"), folder["hf", "tokenizer.model"]);
        await ToPaddleAndBack(folder);
        Assert.Equal([name], Models(folder["paddle"]));
        Assert.Equal(["tokenizer.model"], Models(folder["back"]));
        var ids = await Ids(folder["hf"]);
        Assert.Equal(family == "chatglm2" ? [513, 515] : [1], ids.Take(ids.Length - 6)); // [gMASK] sop, or <s>
        Assert.Equal(ids, await Ids(folder["paddle"]));
        Assert.Equal(ids, await Ids(folder["back"]));
        (await Run.Of("convert", folder["paddle"], folder["again"], "--to", "paddle")).Ok();
        Assert.Equal([name], Models(folder["again"]));
    }

    [Fact]
    public async Task RanksOfLlama3_KeepTheirName()
    {
        using var folder = Data.Temporary();
        Data.Copy(Data.Fixture("llama"), folder["hf"]);
        File.WriteAllText(folder["hf", "tokenizer.model"], "IQ== 0\n");
        File.WriteAllText(folder["hf", "tokenizer_config.json"], """{"tokenizer_class": "PreTrainedTokenizerFast"}""");
        await ToPaddleAndBack(folder);
        Assert.All(["paddle", "back"], path => Assert.Equal(["tokenizer.model"], Models(folder[path])));
        Assert.Null(Config(folder["paddle"])["init_class"]);
    }

    [Theory]
    [InlineData("llama", "LlamaTokenizerFast", "LlamaTokenizer")]
    [InlineData("baichuan-7b", "BaichuanTokenizer", "LlamaTokenizer")]
    [InlineData("chatglm2", "ChatGLMTokenizer", "ChatGLMv2Tokenizer")]
    [InlineData("bloom", "BloomTokenizerFast", "BloomTokenizer")]
    [InlineData("gpt", "GPT2Tokenizer", "GPTTokenizer")]
    [InlineData("opt", "GPT2Tokenizer", "GPTTokenizer")]
    public async Task Class_IsNamedInPaddlesKey_AndTheOriginalsStays(string family, string original, string paddle)
    {
        using var folder = Data.Temporary();
        Data.Copy(Data.Fixture(family), folder["hf"]);
        var text = $$"""{"tokenizer_class": "{{original}}", "add_bos_token": false}""";
        File.WriteAllText(folder["hf", "tokenizer_config.json"], text);
        await ToPaddleAndBack(folder);
        Assert.Equal(paddle, (string?)Config(folder["paddle"])["init_class"]);
        Assert.Equal(original, (string?)Config(folder["paddle"])["tokenizer_class"]);
        Assert.True(JsonNode.DeepEquals(JsonNode.Parse(text), Config(folder["back"])));
    }

    [Theory]
    [InlineData("chatglm", "ChatGLMTokenizer", "ice_text.model")]
    [InlineData("glm", "GLMChineseTokenizer", "cog-pretrain.model")]
    [InlineData("glm", "GLMGPT2Tokenizer", "vocab.json")]
    [InlineData("qwen", "QWenTokenizer", "qwen.tiktoken")]
    [InlineData("qwen2", "Qwen2Tokenizer", "vocab.json")]
    public async Task ClassAndFileThatAreAlike_StayAsTheyAre(string family, string name, string file)
    {
        using var folder = Data.Temporary();
        Data.Copy(Data.Fixture(family), folder["hf"]);
        var text = $$"""{ "tokenizer_class":"{{name}}" }""";
        File.WriteAllText(folder["hf", "tokenizer_config.json"], text);
        File.WriteAllText(folder["hf", file], "{}");
        await ToPaddleAndBack(folder);
        Assert.All(["paddle", "back"], path => Assert.Equal(text, File.ReadAllText(folder[path, "tokenizer_config.json"])));
        Assert.All(["paddle", "back"], path => Assert.True(File.Exists(folder[path, file])));
    }

    [Theory]
    [InlineData("gpt", "GPTTokenizer", "GPT2Tokenizer")]
    [InlineData("chatglm2", "ChatGLMv2Tokenizer", "ChatGLMTokenizer")]
    [InlineData("qwen", "QWenTokenizer", "QWenTokenizer")]
    public async Task FromPaddleNlp_TheClassIsHuggingFaces(string family, string paddle, string expected)
    {
        using var folder = Data.Temporary();
        foreach (var key in new[] { "tokenizer_class", "init_class" })
        {
            Data.Copy(Data.Fixture(family + ".paddle"), folder[key]);
            File.WriteAllText(folder[key, "tokenizer_config.json"], $$"""{"{{key}}": "{{paddle}}"}""");
            var weights = Directory.EnumerateFiles(folder[key], "model*").Select(Path.GetFileName).Order(StringComparer.Ordinal).First()!;
            (await Run.Of("convert", folder[key, weights], folder["hf"], "--overwrite")).Ok();
            Assert.True(JsonNode.DeepEquals(new JsonObject { ["tokenizer_class"] = expected }, Config(folder["hf"])));
        }
    }

    [Theory]
    [InlineData("""["a b", "ab c"]""")]
    [InlineData("""[["a", "b"], ["ab", "c"]]""")]
    public async Task BytePairsOfTokenizerJson_AreWrittenAsPaddleNlpReadsThem(string merges)
    {
        using var folder = Data.Temporary();
        Data.Copy(Data.Fixture("bloom"), folder["hf"]);
        const string vocabulary = """{"a":0,"b":1,"c":2,"ab":3,"abc":4,"Ġ":5}""";
        File.WriteAllText(folder["hf", "tokenizer.json"], $$$"""{"model": {"type": "BPE", "vocab": {{{vocabulary}}}, "merges": {{{merges}}}}}""");
        (await Run.Of("convert", folder["hf"], folder["paddle"], "--to", "paddle")).Ok();
        Assert.Equal(vocabulary, File.ReadAllText(folder["paddle", "vocab.json"]));
        // BloomTokenizer and GPTTokenizer take what is between the first line and the last line feed.
        Assert.Equal(["a b", "ab c"], File.ReadAllText(folder["paddle", "merges.txt"]).Split('\n')[1..^1]);
        File.WriteAllText(folder["hf", "vocab.json"], "{}");
        (await Run.Of("convert", folder["hf"], folder["paddle"], "--to", "paddle", "--overwrite")).Ok();
        Assert.Equal("{}", File.ReadAllText(folder["paddle", "vocab.json"]));
    }

    [Theory]
    [InlineData("{")]
    [InlineData("[1]")]
    [InlineData("""{"tokenizer_class": "\ud800"}""")]
    public async Task DamagedConfig_IsRefused(string text)
    {
        using var folder = Data.Temporary();
        Data.Copy(Data.Fixture("llama"), folder["hf"]);
        File.WriteAllText(folder["hf", "tokenizer_config.json"], text);
        (await Run.Of("convert", folder["hf"], folder["paddle"], "--to", "paddle")).Refused(2, folder["hf"]);
        Assert.False(Directory.Exists(folder["paddle"]));
    }

    private static async Task ToPaddleAndBack(Data.TemporaryFolder folder)
    {
        (await Run.Of("convert", folder["hf"], folder["paddle"], "--to", "paddle")).Ok();
        (await Run.Of("convert", folder["paddle"], folder["back"])).Ok();
    }

    private static async Task<int[]> Ids(string folder) =>
        [.. (await Run.Of("tokenize", folder, "--text", "Hello world", "--special")).Ok().Json.Single().GetProperty("ids").EnumerateArray().Select(id => id.GetInt32())];

    private static IEnumerable<string?> Models(string folder) => Directory.EnumerateFiles(folder, "*.model").Select(Path.GetFileName);

    private static JsonNode Config(string folder) => JsonNode.Parse(File.ReadAllText(Path.Combine(folder, "tokenizer_config.json")))!;
}
