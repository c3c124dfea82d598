using System.Text.Json;

namespace Cli.Tests;

public sealed class TokenizeTests
{
    [Fact]
    public async Task Jsonl_GivesTheRecordedIdsAndTexts()
    {
        using var folder = Data.Temporary();
        var recorded = Data.Fixture("tokenization", "tok512.jsonl");
        var golden = File.ReadLines(recorded).Select(line => JsonDocument.Parse(line).RootElement).ToArray();
        var rows = (await Run.Of("tokenize", Data.Tokenizer(folder["tokenizer"]), "--jsonl", recorded)).Ok().Json;
        Assert.NotEmpty(rows);
        Assert.Equal(golden.Length, rows.Length);
        for (var i = 0; i < rows.Length; i++)
        {
            Assert.Equal(golden[i].GetProperty("ids").ToString().Replace(" ", ""), rows[i].GetProperty("ids").ToString());
            Assert.Equal(golden[i].GetProperty("decoded").GetString(), rows[i].GetProperty("decoded").GetString());
        }
    }

    [Fact]
    public async Task Whole_HashesTheIdsAsLittleEndianInt32()
    {
        using var folder = Data.Temporary();
        var tokenizer = Data.Tokenizer(folder["tokenizer"]);
        var text = folder["text.txt"];
        File.WriteAllText(text, string.Concat(File.ReadLines(Data.Fixture("tokenization", "tok512.jsonl")).Select(line => JsonDocument.Parse(line).RootElement.GetProperty("text").GetString() + "\n")));
        var ids = (await Run.Of("tokenize", tokenizer, "--text", File.ReadAllText(text))).Ok().Json.Single().GetProperty("ids").EnumerateArray().Select(id => id.GetInt32()).ToArray();
        byte[] bytes = [.. ids.SelectMany(id => new[] { (byte)id, (byte)(id >> 8), (byte)(id >> 16), (byte)(id >> 24) })];
        var row = (await Run.Of("tokenize", tokenizer, "--whole", text)).Ok().Json.Single();
        Assert.Equal(ids.Length, row.GetProperty("count").GetInt32());
        Assert.Equal(Convert.ToHexStringLower(System.Security.Cryptography.SHA256.HashData(bytes)), row.GetProperty("sha256").GetString());
    }

    [Fact]
    public async Task Special_AddsBos()
    {
        using var folder = Data.Temporary();
        var tokenizer = Data.Tokenizer(folder["tokenizer"]);
        var plain = (await Run.Of("tokenize", tokenizer, "--text", "Hello")).Ok().Json.Single().GetProperty("ids");
        var special = (await Run.Of("tokenize", tokenizer, "--text", "Hello", "--special")).Ok().Json.Single().GetProperty("ids");
        Assert.Equal(plain.GetArrayLength() + 1, special.GetArrayLength());
        Assert.Equal(1, special[0].GetInt32());
    }

    [Fact]
    public async Task NothingToTokenize_IsWrongUsage() => (await Run.Of("tokenize", Data.Fixture("llama"))).Refused(2, "--jsonl");

    [Fact]
    public async Task FolderWithoutTokenizer_IsRefused() => (await Run.Of("tokenize", Data.Fixture("llama"), "--text", "a")).Refused(2, "no tokenizer");

    [Fact]
    public async Task LineThatIsNoText_IsRefusedWithItsNumber()
    {
        using var folder = Data.Temporary();
        File.WriteAllText(folder["in.jsonl"], "{\"text\": \"a\"}\n{\"txt\": \"b\"}\n");
        (await Run.Of("tokenize", Data.Tokenizer(folder["tokenizer"]), "--jsonl", folder["in.jsonl"])).Refused(2, "in.jsonl, line 2", "\"text\"");
    }
}
