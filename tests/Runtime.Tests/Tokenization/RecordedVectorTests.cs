using Generated.Tokenization;
using Generated.Tokenization.SentencePiece;

namespace Runtime.Tests.Tokenization;

/// <summary>Every recorded vector of the original tokenizers: ids, decoded text and what else a file gives.</summary>
public sealed class RecordedVectorTests
{
    public static TheoryData<string, string> Files()
    {
        var data = new TheoryData<string, string>();
        foreach (string folder in new[] { "llama", "llama_hf", "tok512", "gpt2", "opt", "qwen", "chatglm6b", "chatglm2", "baichuan", "glm_chinese", "chinese_llama2" })
        {
            data.Add(folder, "golden.jsonl");
            data.Add(folder, "llamacpp.jsonl");
        }
        return data;
    }

    [SkippableTheory]
    [MemberData(nameof(Files))]
    public void Encode_RecordedText_GivesRecordedIds(string folder, string file)
        => CompareAll(folder, file, v => (v.Ids(KeyOfIds(folder)), LoadOnce(folder).Encode(v.Text)));

    [SkippableTheory]
    [MemberData(nameof(Files))]
    public void Decode_RecordedIds_GivesRecordedText(string folder, string file)
    {
        string key = folder == "chatglm6b" ? "glm_decoded" : "decoded";
        CompareAll(folder, file, v => (v.String(key), LoadOnce(folder).Decode(v.Ids(KeyOfIds(folder)), skipSpecial: false)));
    }

    [SkippableTheory]
    [MemberData(nameof(Files))]
    public void Stream_RecordedIds_GivesDecodedTextInWholeCharacters(string folder, string file)
        => CompareAll(folder, file, v =>
        {
            var stream = LoadOnce(folder).CreateStreamingDecoder(skipSpecial: false);
            string text = "";
            foreach (int id in v.Ids(KeyOfIds(folder)))
            {
                string more = stream.Add(id);
                Assert.True(more.Length == 0 || (!char.IsHighSurrogate(more[^1]) && !char.IsLowSurrogate(more[0])), "half a character");
                text += more;
            }
            return (LoadOnce(folder).Decode(v.Ids(KeyOfIds(folder)), skipSpecial: false), text + stream.Flush());
        });

    [SkippableTheory]
    [InlineData("golden.jsonl")]
    [InlineData("llamacpp.jsonl")]
    public void ChatGlm_RawSentencePiece_GivesRecordedIdsAndText(string file)
    {
        var model = ReadModel("chatglm6b", "ice_text.model");
        var raw = new SentencePieceTokenizer(model, new SpecialTokens());
        CompareAll("chatglm6b", file, v => (v.Ids(), raw.Encode(v.Text)));
        CompareAll("chatglm6b", file, v => (v.String("decoded"), raw.Decode(v.Ids())));
    }

    [SkippableTheory]
    [InlineData("baichuan", "tokenizer.model")]
    [InlineData("glm_chinese", "cog-pretrain.model")]
    [InlineData("chatglm6b", "ice_text.model")]
    [InlineData("tok512", "tok512.model")]
    public void Normalize_RecordedText_GivesRecordedNorm(string folder, string model)
    {
        var tokenizer = new SentencePieceTokenizer(ReadModel(folder, model), new SpecialTokens());
        CompareAll(folder, "golden.jsonl", v => (v.String("norm"), tokenizer.Normalize(v.Text)));
    }

    [SkippableFact]
    public void QwenPrompt_SpecialTokensInText_GivesRecordedIds()
    {
        var vectors = TokenizerData.Vectors(Path.Combine(TokenizerData.Require("qwen"), "golden.jsonl")).ToArray();
        Assert.Contains(vectors, v => v.Has("ids_special"));
        foreach (var v in vectors)
        {
            int[] expected = v.Has("ids_special") ? v.Ids("ids_special") : v.Ids();
            Assert.Equal(expected, LoadOnce("qwen").EncodePrompt(v.Text));
            Assert.Equal(expected, LoadOnce("qwen").Encode(v.Text, addSpecial: true));
        }
    }

    private static string KeyOfIds(string folder) => folder == "chatglm6b" ? "glm_ids" : "ids";

    private static SentencePieceModel ReadModel(string folder, string model)
        => SentencePieceModel.Parse(File.ReadAllBytes(Path.Combine(TokenizerData.Require(folder), model)), model);

    private static readonly System.Collections.Concurrent.ConcurrentDictionary<string, ITokenizer> Loaded = new();

    private static ITokenizer LoadOnce(string folder) => Loaded.GetOrAdd(folder, name => TokenizerLoader.Load(TokenizerData.Require(name)));

    private static void CompareAll<T>(string folder, string file, Func<Vector, (T Expected, object Actual)> compare)
    {
        int rows = 0;
        foreach (var vector in TokenizerData.Vectors(Path.Combine(TokenizerData.Require(folder), file)))
        {
            var (expected, actual) = compare(vector);
            Assert.True(AreEqual(expected!, actual), $"row {rows}, text \"{vector.Text}\":\nexpected {Show(expected!)}\nactual   {Show(actual)}");
            rows++;
        }
        Assert.Equal(file == "golden.jsonl" ? 311 : 46, rows);
    }

    private static bool AreEqual(object expected, object actual)
        => expected is int[] ids ? ids.SequenceEqual((IReadOnlyList<int>)actual) : expected.Equals(actual);

    private static string Show(object value) => value is string text ? text : string.Join(' ', (IEnumerable<int>)value);
}
