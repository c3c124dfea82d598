using FsCheck;
using FsCheck.Fluent;
using FsCheck.Xunit;
using Generated;
using Generated.Tokenization;
using Generated.Tokenization.ByteLevel;
using Generated.Tokenization.SentencePiece;

namespace Runtime.Tests.Tokenization;

/// <summary>Damaged tokenizer files are refused, or load and then work; nothing else happens.</summary>
public sealed class HostileInputTests
{
    private static readonly byte[] Tok512 = File.ReadAllBytes(TokenizerFixtures.Path("tok512.model"));

    [Fact]
    public void SentencePiece_MutatedModel_IsRefusedOrWorks()
    {
        var random = new Random(20261124);
        int refused = 0;
        for (int round = 0; round < 20_000; round++)
        {
            byte[] file = Mutate(Tok512, random);
            try
            {
                var tokenizer = new SentencePieceTokenizer(SentencePieceModel.Parse(file, "mutated"), new SpecialTokens());
                if (round % 8 == 0)
                    tokenizer.Decode(tokenizer.Encode("Once upon a time,  中 <s>"));
            }
            catch (InvalidInputException)
            {
                refused++;
            }
        }
        Assert.InRange(refused, 1000, 19_999);
    }

    [Property(MaxTest = 3000)]
    public void SentencePiece_AnyBytes_AreRefusedOrParsed(byte[] file) => Try(() => SentencePieceModel.Parse(file, "any"));

    [Property(MaxTest = 3000)]
    public void CharsMap_AnyTable_NeverReadsOutside(byte[] table, byte[] text, byte units)
    {
        // A length that fits, so that the walk itself meets nonsense.
        byte[] blob = [(byte)(4 * (1 + units % 60)), 0, 0, 0, .. table, .. new byte[400]];
        Try(() =>
        {
            var map = CharsMap.Parse(blob, "any")!;
            for (int i = 0; i < text.Length; i++)
                Assert.InRange(map.Match(text.AsSpan(i), out _), 0, text.Length - i);
        });
    }

    [SkippableFact]
    public void CharsMap_MutatedRealTable_NeverReadsOutside()
    {
        byte[] file = File.ReadAllBytes(Path.Combine(TokenizerData.Require("baichuan"), "tokenizer.model"));
        byte[] blob = SentencePieceModel.Parse(file, "baichuan").CharsMap;
        byte[] text = System.Text.Encoding.UTF8.GetBytes("ＡＢＣ　① Å が ﬁ ½ 中文 \u0301\u200B");
        var random = new Random(7);
        for (int round = 0; round < 300; round++)
        {
            byte[] mutated = (byte[])blob.Clone();
            for (int i = 0; i < 2000; i++)
                mutated[4 + random.Next(mutated.Length - 4)] = (byte)random.Next(256);
            var map = CharsMap.Parse(mutated, "mutated")!;
            for (int i = 0; i < text.Length; i++)
                Assert.InRange(map.Match(text.AsSpan(i), out _), 0, text.Length - i);
        }
    }

    [Property(MaxTest = 3000)]
    public void Tiktoken_AnyBytes_AreRefusedOrParsed(byte[] file) => Try(() => TiktokenFile.Parse(file, "any"));

    [Property(MaxTest = 3000)]
    public void Merges_AnyText_IsRefusedOrParsed(string? text) => Try(() => MergesFile.Parse(text ?? "", "any"));

    [Fact]
    public void TokenizerJson_MutatedText_IsRefusedOrWorks()
    {
        const string Json = """
            {"added_tokens": [{"id": 9, "content": "<s>", "special": true, "lstrip": true, "normalized": true}],
             "normalizer": {"type": "Sequence", "normalizers": [{"type": "Prepend", "prepend": "_"}, {"type": "Replace", "pattern": {"Regex": "[ _]+"}, "content": "_"}]},
             "pre_tokenizer": {"type": "Sequence", "pretokenizers": [{"type": "Split", "pattern": {"Regex": " ?[^(\\s|[.,])]++"}, "behavior": "MergedWithNext", "invert": false}, {"type": "Metaspace", "replacement": "_", "prepend_scheme": "first"}]},
             "post_processor": {"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "<s>"}}, {"Sequence": {"id": "A"}}], "special_tokens": {"<s>": {"ids": [9]}}},
             "decoder": {"type": "Sequence", "decoders": [{"type": "Replace", "pattern": {"String": "_"}, "content": " "}, {"type": "ByteFallback"}, {"type": "Fuse"}, {"type": "Strip", "content": " ", "start": 1, "stop": 0}]},
             "model": {"type": "BPE", "unk_token": "?", "fuse_unk": true, "vocab": {"?": 0, "_": 1, "a": 2, "b": 3, "ab": 4, "_ab": 5}, "merges": ["a b", ["_", "ab"]]}}
            """;
        using var folder = new TemporaryFolder().Write("tokenizer.json", Json);
        Assert.Equal([9, 5, 0, 2], TokenizerLoader.Load(folder.Path).Encode("ab xya", addSpecial: true).Where(id => id != 1));
        var random = new Random(3);
        int refused = 0;
        for (int round = 0; round < 4000; round++)
        {
            folder.Write("tokenizer.json", Mutate(System.Text.Encoding.UTF8.GetBytes(Json), random));
            try
            {
                var tokenizer = TokenizerLoader.Load(folder.Path);
                tokenizer.Decode(tokenizer.Encode("ab <s> xya., 中 \uD800"));
            }
            catch (InvalidInputException)
            {
                refused++;
            }
        }
        Assert.InRange(refused, 1000, 3999);
    }

    [Property(MaxTest = 1000)]
    public void Tok512_AnyText_RoundTripsUpToWhitespace(string? text)
    {
        var tokenizer = new SentencePieceTokenizer(SentencePieceModel.Parse(Tok512, "tok512"), new SpecialTokens());
        // This model removes extra spaces; half pairs cannot be written in UTF-8; its own visible space reads back as a space.
        string clean = new([.. (text ?? "").Where(c => !char.IsSurrogate(c) && c != ' ' && c != '\u2581')]);
        Assert.Equal(clean, tokenizer.Decode(tokenizer.Encode(clean)));
    }

    [Property(MaxTest = 1000)]
    public void Tok512_AnyIds_StreamAsTheyDecode(int[] ids)
    {
        var tokenizer = new SentencePieceTokenizer(SentencePieceModel.Parse(Tok512, "tok512"), new SpecialTokens());
        int[] valid = [.. ids.Select(id => (int)((uint)id * 2654435761 % 520))];
        var stream = tokenizer.CreateStreamingDecoder();
        Assert.Equal(tokenizer.Decode(valid), string.Concat(valid.Select(stream.Add)) + stream.Flush());
    }

    private static void Try(Action action)
    {
        try
        {
            action();
        }
        catch (InvalidInputException)
        {
            // A clear refusal; anything else fails the test.
        }
    }

    private static byte[] Mutate(byte[] original, Random random)
    {
        var bytes = original.ToList();
        for (int edits = random.Next(1, 5); edits > 0; edits--)
        {
            int at = random.Next(bytes.Count);
            switch (random.Next(5))
            {
                case 0: bytes[at] = (byte)random.Next(256); break;
                case 1: bytes[at] ^= (byte)(1 << random.Next(8)); break;
                case 2: bytes.RemoveRange(at, Math.Min(random.Next(1, 20), bytes.Count - at - 1)); break;
                case 3: bytes.InsertRange(at, bytes.GetRange(random.Next(bytes.Count - 20), 20)); break;
                default: bytes.RemoveRange(at + 1, (bytes.Count - at - 1) * random.Next(2) / 2); break;
            }
            if (bytes.Count < 40)
                break;
        }
        return [.. bytes];
    }
}
