using System.Text;
using Generated.Configuration;

namespace Runtime.Tests.Configuration;

public sealed class ConfigWriterTests
{
    private static ConfigReader Read(string json) => ConfigReader.Parse(Encoding.UTF8.GetBytes(json), "config.json");

    [Fact]
    public void Write_KeepsUnknownKeysOrderAndSpelling()
    {
        const string Source = """
            {
              "model_type": "llama",
              "rms_norm_eps": 1e-06,
              "hidden_size": 64,
              "extra": {
                "answer": [
                  1,
                  2.50
                ]
              },
              "rope_theta": 10000.0
            }

            """;
        var writer = new ConfigWriter(Read(Source));
        writer.Set("rms_norm_eps", 1e-6);
        writer.Set("rope_theta", 10000L);
        writer.Set("hidden_size", 128);
        writer.Set("tie_word_embeddings", true);
        Assert.Equal(Source.Replace("64", "128").Replace("10000.0\n}", "10000.0,\n  \"tie_word_embeddings\": true\n}"), writer.ToJson());
    }

    [Fact]
    public void Write_ThenRead_IsTheSame()
    {
        var writer = new ConfigWriter();
        writer.Set("a.b", 1);
        writer.Object("a").Set("c", 0.1);
        writer.Set("text", "<|endoftext|> é \"q\"");
        writer.Set("ids", [1, 2]);
        writer.Set("names", ["x"]);
        writer.Set("gone", 1);
        writer.Remove("gone");
        var back = Read(writer.ToJson());
        Assert.Equal(1, back.Int("a.b"));
        Assert.Equal(0.1, back.Double("a.c"));
        Assert.Equal("<|endoftext|> é \"q\"", back.String("text"));
        Assert.Equal([1, 2], back.IntArray("ids"));
        Assert.Equal(["x"], back.StringArray("names"));
        Assert.Equal(["a", "text", "ids", "names"], back.Root.EnumerateObject().Select(p => p.Name));
    }

    [Theory]
    [InlineData(9007199254740993, 9007199254740992)]
    [InlineData(1, 2)]
    public void Set_AnotherWholeNumber_ReplacesIt(long before, long after)
    {
        var writer = new ConfigWriter(Read($$"""{"n": {{before}}}"""));
        writer.Set("n", after);
        Assert.Equal(after, Read(writer.ToJson()).Long("n"));
    }
}
