using System.Text.Json;

namespace Cli.Tests;

public sealed class TokenizeTests
{
    [SkippableFact]
    public async Task Jsonl_GivesTheRecordedIdsAndTexts()
    {
        var folder = Data.Shared("tokenizers", "tok512");
        var golden = File.ReadLines(Path.Combine(folder, "golden.jsonl")).Select(line => JsonDocument.Parse(line).RootElement).ToArray();
        var rows = (await Run.Of("tokenize", folder, "--jsonl", Path.Combine(folder, "golden.jsonl"))).Ok().Json;
        Assert.Equal(golden.Length, rows.Length);
        for (var i = 0; i < rows.Length; i++)
        {
            Assert.Equal(golden[i].GetProperty("ids").ToString().Replace(" ", ""), rows[i].GetProperty("ids").ToString());
            Assert.Equal(golden[i].GetProperty("decoded").GetString(), rows[i].GetProperty("decoded").GetString());
        }
    }

    [SkippableFact]
    public async Task Whole_HashesTheIdsAsLittleEndianInt32()
    {
        var folder = Data.Shared("tokenizers", "tok512");
        var text = Data.Shared("text", "tinyshakespeare.txt");
        var ids = (await Run.Of("tokenize", folder, "--text", File.ReadAllText(text))).Ok().Json.Single().GetProperty("ids").EnumerateArray().Select(id => id.GetInt32()).ToArray();
        byte[] bytes = [.. ids.SelectMany(id => new[] { (byte)id, (byte)(id >> 8), (byte)(id >> 16), (byte)(id >> 24) })];
        var row = (await Run.Of("tokenize", folder, "--whole", text)).Ok().Json.Single();
        Assert.Equal(ids.Length, row.GetProperty("count").GetInt32());
        Assert.Equal(Convert.ToHexStringLower(System.Security.Cryptography.SHA256.HashData(bytes)), row.GetProperty("sha256").GetString());
    }

    [SkippableFact]
    public async Task Special_AddsBos()
    {
        var folder = Data.Shared("tokenizers", "tok512");
        var plain = (await Run.Of("tokenize", folder, "--text", "Hello")).Ok().Json.Single().GetProperty("ids");
        var special = (await Run.Of("tokenize", folder, "--text", "Hello", "--special")).Ok().Json.Single().GetProperty("ids");
        Assert.Equal(plain.GetArrayLength() + 1, special.GetArrayLength());
        Assert.Equal(1, special[0].GetInt32());
    }

    [Fact]
    public async Task NothingToTokenize_IsWrongUsage() => (await Run.Of("tokenize", Data.Fixture("llama"))).Refused(2, "--jsonl");

    [Fact]
    public async Task FolderWithoutTokenizer_IsRefused() => (await Run.Of("tokenize", Data.Fixture("llama"), "--text", "a")).Refused(2, "no tokenizer");

    [SkippableFact]
    public async Task LineThatIsNoText_IsRefusedWithItsNumber()
    {
        using var folder = Data.Temporary();
        File.WriteAllText(folder["in.jsonl"], "{\"text\": \"a\"}\n{\"txt\": \"b\"}\n");
        (await Run.Of("tokenize", Data.Shared("tokenizers", "tok512"), "--jsonl", folder["in.jsonl"])).Refused(2, "in.jsonl, line 2", "\"text\"");
    }
}
