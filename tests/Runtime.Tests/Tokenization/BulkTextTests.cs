using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text.Json;
using Generated.Tokenization;
using Generated.Tokenization.SentencePiece;

namespace Runtime.Tests.Tokenization;

/// <summary>Whole files, as one text and line by line, by the SHA-256 of their ids as little-endian int32.</summary>
public sealed class BulkTextTests
{
    /// <summary>bulk.json was recorded with the original sentencepiece (0.1.97; its BPE equals that of later releases).</summary>
    [SkippableTheory]
    [InlineData("llama")]
    [InlineData("tok512")]
    [InlineData("chatglm2")]
    [InlineData("baichuan")]
    [InlineData("glm_chinese")]
    [InlineData("chinese_llama2")]
    public void Encode_WholeFiles_GivesRecordedHashes(string folder)
    {
        var tokenizer = TokenizerLoader.Load(TokenizerData.Require(folder));
        using var recorded = JsonDocument.Parse(File.ReadAllText(TokenizerFixtures.Path("bulk.json")));
        Assert.Equal(8, Compare(tokenizer, recorded.RootElement.GetProperty(folder), folder));
    }

    /// <summary>The shared record, where it is there: tokenizers, text files and "whole" or "lines" in any nesting.</summary>
    [SkippableFact]
    public void Encode_SharedRecord_GivesRecordedHashes()
    {
        string? file = TokenizerData.SharedPath("data", "tokenizers", "bulk_text.json");
        Skip.IfNot(File.Exists(file), "shared/data/tokenizers/bulk_text.json is not there");
        using var recorded = JsonDocument.Parse(File.ReadAllText(file!));
        int compared = Walk(recorded.RootElement, new Dictionary<string, string>());
        Assert.True(compared > 0, "no row of the record was understood");
    }

    private static int Walk(JsonElement node, Dictionary<string, string> place)
    {
        if (node.ValueKind != JsonValueKind.Object)
            return 0;
        if (node.TryGetProperty("sha256", out var hash) && place.Count == 3)
        {
            // The record of ChatGLM-6B is of the bare sentencepiece model, without its whitespace tokens.
            string folder = TokenizerData.Require(place["tokenizer"]);
            var tokenizer = place["tokenizer"] == "chatglm6b"
                ? new SentencePieceTokenizer(SentencePieceModel.Parse(File.ReadAllBytes(Path.Combine(folder, "ice_text.model")), folder), new SpecialTokens())
                : TokenizerLoader.Load(folder);
            Check(tokenizer, TokenizerData.RequireText(place["file"]), place["kind"], hash.GetString()!, string.Join(' ', place.Values));
            return 1;
        }
        int compared = 0;
        foreach (var entry in node.EnumerateObject())
        {
            string kind = entry.Name is "whole" or "lines" ? "kind" : entry.Name.Contains('.') ? "file" : TokenizerData.Folder(entry.Name) is not null ? "tokenizer" : "";
            var next = new Dictionary<string, string>(place);
            if (kind.Length > 0)
                next[kind] = entry.Name;
            compared += Walk(entry.Value, next);
        }
        return compared;
    }

    private static int Compare(ITokenizer tokenizer, JsonElement files, string folder)
    {
        int compared = 0;
        foreach (var file in files.EnumerateObject())
        {
            string text = TokenizerData.RequireText(file.Name);
            foreach (string kind in new[] { "whole", "lines" })
            {
                Check(tokenizer, text, kind, file.Value.GetProperty(kind).GetProperty("sha256").GetString()!, $"{folder}, {file.Name}, {kind}");
                compared++;
            }
        }
        return compared;
    }

    private static void Check(ITokenizer tokenizer, string text, string kind, string expected, string what)
    {
        int[] ids = kind == "whole" ? [.. tokenizer.Encode(text)] : [.. text.Split('\n').SelectMany(line => tokenizer.Encode(line))];
        string actual = Convert.ToHexStringLower(SHA256.HashData(MemoryMarshal.AsBytes(ids.AsSpan())));
        Assert.True(expected == actual, $"{what}: {ids.Length} ids with another hash");
    }
}
