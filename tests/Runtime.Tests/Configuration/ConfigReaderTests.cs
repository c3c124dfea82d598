using System.Text;
using Generated;
using Generated.Configuration;

namespace Runtime.Tests.Configuration;

public sealed class ConfigReaderTests
{
    private static ConfigReader Read(string json) => ConfigReader.Parse(Encoding.UTF8.GetBytes(json), "config.json");

    private static string Refusal(Action act) => Assert.Throws<InvalidInputException>(act).Message;

    [Fact]
    public void Getters_ReadWhatPythonWrites()
    {
        var config = Read("""{"a": 4096.0, "eps": 1e-05, "epsText": "1e-5", "b": true, "s": "silu", "ids": [1, 2], "id": 3, "nested": {"x": {"y": 7}}, "big": 5000000000}""");
        Assert.Equal(4096, config.Int("a"));
        Assert.Equal(1e-5, config.Double("eps"));
        Assert.Equal(1e-5, config.Double("epsText"));
        Assert.True(config.Bool("b"));
        Assert.Equal("silu", config.String("s"));
        Assert.Equal([1, 2], config.IntArray("ids"));
        Assert.Equal([3], config.IntArray("id"));
        Assert.Equal(7, config.Int("nested.x.y"));
        Assert.Equal(7, config.Object("nested")!.Object("x")!.Int("y"));
        Assert.Equal(5_000_000_000, config.Long("big"));
    }

    [Fact]
    public void SeveralKeys_TheFirstThatIsThereCounts()
    {
        var config = Read("""{"n_embd": 64, "hidden_size": null}""");
        Assert.Equal(64, config.Int("hidden_size", "n_embd"));
        Assert.False(config.Has("hidden_size"));
        Assert.Equal(5, config.IntOr(5, "absent", "hidden_size"));
    }

    [Theory]
    [InlineData("""{"n": "abc"}""", "'n' is \"abc\"; a whole number is expected.")]
    [InlineData("""{"n": 1.5}""", "'n' is 1.5; a whole number is expected.")]
    [InlineData("""{"n": 3000000000}""", "'n' is 3000000000; a whole number is expected.")]
    [InlineData("""{"n": 1e300}""", "'n' is 1e300; a whole number is expected.")]
    [InlineData("""{"n": {}}""", "'n' is an object; a whole number is expected.")]
    [InlineData("""{"n": true}""", "'n' is true; a whole number is expected.")]
    [InlineData("""{"m": 1}""", "lacks the key 'n'; a whole number is expected.")]
    public void Int_OfSomethingElse_NamesFileKeyValueAndExpectation(string json, string end)
    {
        var message = Refusal(() => Read(json).Int("n"));
        Assert.StartsWith("config.json", message);
        Assert.EndsWith(end, message);
    }

    [Theory]
    [InlineData("-4")]
    [InlineData("0")]
    public void Size_NotPositive_IsRefused(string value) =>
        Assert.Contains("'hidden_size' is " + value, Refusal(() => Read($$"""{"hidden_size": {{value}}}""").Size("hidden_size")));

    [Fact]
    public void WrongType_InNestedObject_NamesTheDottedKey()
    {
        Assert.Contains("'rope_scaling.factor' is \"x\"", Refusal(() => Read("""{"rope_scaling": {"factor": "x"}}""").Object("rope_scaling")!.Double("factor")));
        Assert.Contains("'rope_scaling' is 3; an object is expected", Refusal(() => Read("""{"rope_scaling": 3}""").Double("rope_scaling.factor")));
    }

    [Fact]
    public void Missing_NamesAllAcceptedKeys() =>
        Assert.Contains("lacks the key 'hidden_size' (also accepted: 'n_embd', 'd_model')", Refusal(() => Read("{}").Int("hidden_size", "n_embd", "d_model")));

    [Fact]
    public void UnknownKeys_AreThoseNobodyAskedFor()
    {
        var config = Read("""{"a": 1, "torch_dtype": "float32", "b": {"c": 1}}""");
        config.Int("a");
        config.Has("b.c");
        Assert.Equal(["torch_dtype"], config.UnknownKeys);
    }

    [Fact]
    public void Refuse_NamesValueAndReason()
    {
        var config = Read("""{"num_attention_heads": 5}""");
        Assert.Equal(
            "config.json: 'num_attention_heads' is 5, which does not divide hidden_size 64.",
            Refusal(() => config.Require(false, "num_attention_heads", "does not divide hidden_size 64")));
    }

    [Theory]
    [InlineData("")]
    [InlineData("[]")]
    [InlineData("12")]
    [InlineData("{\"a\": 1")]
    [InlineData("{\"a\": 1, \"a\": 2}")]
    [InlineData("{\"a\": NaN}")]
    [InlineData("{\"a\": \"\\ud800\"}")]
    [InlineData("{\"\\ud800\": 1}")]
    public void NoJsonObject_IsRefusedWithTheFile(string json) => Assert.StartsWith("config.json", Refusal(() => Read(json)));

    [Fact]
    public void DeepNesting_IsRefused() => Refusal(() => Read(string.Concat(Enumerable.Repeat("{\"a\":", 5000)) + "1" + new string('}', 5000)));

    [Fact]
    public void Load_MissingFolderOrFile_SaysWhich()
    {
        Assert.Contains("does not exist", Refusal(() => ConfigReader.Load(Path.Combine(Path.GetTempPath(), "no-such-folder"))));
        var folder = Directory.CreateTempSubdirectory();
        Assert.Contains("has no config.json", Refusal(() => ConfigReader.Load(folder.FullName)));
        folder.Delete();
    }
}
