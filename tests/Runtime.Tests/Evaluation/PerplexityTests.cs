using System.Text.Json;
using Generated;
using Generated.Evaluation;
using Runtime.Tests.Loading;
using Runtime.Tests.Tokenization;

namespace Runtime.Tests.Evaluation;

public sealed class PerplexityTests
{
    [Fact]
    public void Windows_CutTheTextWithoutLossOrOverlap()
    {
        var tokens = Enumerable.Range(100, 23).ToArray();
        var windows = new TextWindows(tokens, 6);
        Assert.Equal(5, windows.Count);
        Assert.Equal(tokens, Enumerable.Range(0, 5).SelectMany(i => windows.Window(i, 1).Skip(1)));
        Assert.All(Enumerable.Range(0, 5), i => Assert.Equal(1, windows.Window(i, 1)[0]));
    }

    [Theory]
    [InlineData(0, 0.2)]
    [InlineData(0.2, 1)]
    [InlineData(0.35, 0.7)]
    public void Shares_AreWholeWindows_FromCeilingToCeiling(double from, double to)
    {
        var tokens = Enumerable.Range(0, 50).ToArray();
        var all = new TextWindows(tokens, 6);
        var windows = new TextWindows(tokens, 6, from, to);
        var first = (int)Math.Ceiling(from * 10);
        Assert.Equal((int)Math.Ceiling(to * 10) - first, windows.Count);
        Assert.Equal(all.Window(first, 1), windows.Window(0, 1));
    }

    [Fact]
    public void ImpossibleShares_AreRefused()
    {
        Assert.Throws<InvalidInputException>(() => new TextWindows([1, 2], 1));
        Assert.Throws<InvalidInputException>(() => new TextWindows([1, 2], 6, 0.5, 0.5));
        Assert.Throws<InvalidInputException>(() => new TextWindows([1, 2], 6, 0, 1.1));
        Assert.Throws<InvalidInputException>(() => new TextWindows([], 6));
    }

    [SkippableFact]
    public void PretrainedModel_HasTheRecordedPerplexity()
    {
        var folder = Models.Stories();
        var recorded = JsonDocument.Parse(File.ReadAllText(Path.Combine(folder, "perplexity.json"))).RootElement.GetProperty("tinystories_excerpt.txt");
        using var loaded = Models.Load(Path.Combine(folder, "hf"));
        var tokens = loaded.RequireTokenizer().Encode(TokenizerData.RequireText("tinystories_excerpt.txt"));
        var result = Perplexity.Measure(loaded.Model, new TextWindows(tokens), bos: 1, batch: 8);
        Assert.Equal(recorded.GetProperty("tokens").GetInt64(), result.Tokens);
        Assert.Equal(recorded.GetProperty("ppl").GetDouble(), result.Perplexity, 1e-3);
        Assert.Equal(recorded.GetProperty("mean_nll").GetDouble(), result.MeanNll, 1e-4);
    }
}
