using Generated.Generation;

namespace Runtime.Tests.Generation;

public sealed class SamplerTests
{
    private static readonly float[] Logits = [1.0f, 2.0f, 0.5f, 3.0f, -1.0f, 2.0f];

    /// <summary>Shares of each token over many draws.</summary>
    private static double[] Shares(GenerationOptions options, float[] logits, int draws = 40_000, params int[] seen)
    {
        var sampler = new Sampler(options, options.Seed);
        sampler.Observe(seen);
        var counts = new double[logits.Length];
        for (var i = 0; i < draws; i++)
            counts[sampler.Next(logits)] += 1.0 / draws;
        return counts;
    }

    private static double[] Softmax(IEnumerable<double> logits)
    {
        var exps = logits.Select(Math.Exp).ToArray();
        return [.. exps.Select(e => e / exps.Sum())];
    }

    private static void AssertClose(double[] expected, double[] actual)
    {
        for (var i = 0; i < expected.Length; i++)
            Assert.True(Math.Abs(expected[i] - actual[i]) < 0.012 && (expected[i] > 0 || actual[i] == 0), $"token {i}: {actual[i]} instead of {expected[i]}");
    }

    [Fact]
    public void Greedy_TakesTheFirstLargest() => Assert.Equal(3, new Sampler(new(), 0).Next(Logits));

    [Fact]
    public void Temperature_DrawsFromTheSoftmax() =>
        AssertClose(Softmax(Logits.Select(l => l / 1.5)), Shares(new() { Temperature = 1.5, Seed = 1 }, Logits));

    [Fact]
    public void TopK_KeepsTheKLargest_TiesByLowerId() =>
        AssertClose(Softmax([double.NegativeInfinity, 2, double.NegativeInfinity, 3, double.NegativeInfinity, double.NegativeInfinity]),
            Shares(new() { Temperature = 1, TopK = 2, Seed = 2 }, Logits));

    [Fact]
    public void TopP_KeepsTheTokenThatCrosses()
    {
        // softmax: 3 -> 0.485, 1 and 5 -> 0.178 each: 0.6 needs 3 and the first of the two.
        AssertClose(Softmax([double.NegativeInfinity, 2, double.NegativeInfinity, 3, double.NegativeInfinity, double.NegativeInfinity]),
            Shares(new() { Temperature = 1, TopP = 0.6, Seed = 3 }, Logits));
    }

    [Fact]
    public void TopP_AfterTopK_IsMeasuredOnWhatTopKLeft()
    {
        // Among the two largest, 3 has 0.731: enough for 0.7, though it has only 0.485 of all.
        AssertClose([0, 0, 0, 1, 0, 0], Shares(new() { Temperature = 1, TopK = 2, TopP = 0.7, Seed = 4 }, Logits));
    }

    [Fact]
    public void MinP_KeepsTokensNearTheLargest() =>
        AssertClose(Softmax([double.NegativeInfinity, 2, double.NegativeInfinity, 3, double.NegativeInfinity, 2]),
            Shares(new() { Temperature = 1, MinP = 0.3, Seed = 5 }, Logits));

    [Fact]
    public void RepetitionPenalty_DividesPositiveAndMultipliesNegativeLogits()
    {
        var options = new GenerationOptions { RepetitionPenalty = 2 };
        var sampler = new Sampler(options, 0);
        sampler.Observe([3]);
        Assert.Equal(1, sampler.Next(Logits));
        Assert.Equal(5, sampler.Next(Logits));
        float[] negative = [-1f, -1.5f];
        sampler = new Sampler(options, 0);
        sampler.Observe([0]);
        Assert.Equal(1, sampler.Next(negative));
    }

    [Fact]
    public void EqualSeeds_EqualDraws_AndOtherSeedsOthers()
    {
        int[] Draws(ulong seed)
        {
            var sampler = new Sampler(new() { Temperature = 1, TopP = 0.95 }, seed);
            return [.. Enumerable.Range(0, 100).Select(_ => sampler.Next(Logits))];
        }

        Assert.Equal(Draws(7), Draws(7));
        Assert.NotEqual(Draws(7), Draws(8));
    }

    [Fact]
    public void LargeVocabulary_FiltersAgreeWithSortingEverything()
    {
        var random = new Random(3);
        var logits = Enumerable.Range(0, 20_000).Select(_ => (float)(random.NextDouble() * 12)).ToArray();
        var order = Enumerable.Range(0, logits.Length).OrderByDescending(i => logits[i]).ThenBy(i => i).ToArray();
        var top = order.Take(25).ToHashSet();
        var all = logits.Sum(l => Math.Exp(l));
        double sum = 0;
        var nucleus = order.TakeWhile(i => { var inside = sum < 0.05 * all; sum += Math.Exp(logits[i]); return inside; }).ToHashSet();
        var k = new Sampler(new() { Temperature = 1, TopK = 25 }, 1);
        var p = new Sampler(new() { Temperature = 1, TopP = 0.05 }, 1);
        var drawnK = Enumerable.Range(0, 600).Select(_ => k.Next(logits)).ToHashSet();
        var drawnP = Enumerable.Range(0, 600).Select(_ => p.Next(logits)).ToHashSet();
        Assert.Equal(top, drawnK);
        Assert.Subset(nucleus, drawnP);
        Assert.InRange(drawnP.Count, nucleus.Count / 2, nucleus.Count);
    }

    [Theory]
    [InlineData(float.NaN)]
    [InlineData(float.PositiveInfinity)]
    public void DamagedLogits_AreReported(float value)
    {
        float[] logits = [0, value, 5];
        Assert.Contains("NaN or infinity", Assert.Throws<Generated.GeneratedException>(() => new Sampler(new(), 0).Next(logits)).Message);
    }

    [Fact]
    public void MaskedLogits_AreNeverDrawn() =>
        AssertClose([0.5, 0, 0.5], Shares(new() { Temperature = 1, Seed = 9 }, [1, float.NegativeInfinity, 1]));

    [Fact]
    public void Options_OutOfRange_AreRefusedByName()
    {
        foreach (var (options, name) in new (GenerationOptions, string)[]
        {
            (new() { MaxTokens = 0 }, "max-tokens"), (new() { Temperature = -1 }, "temperature"), (new() { TopK = -1 }, "top-k"),
            (new() { TopP = 0 }, "top-p"), (new() { MinP = 1.5 }, "min-p"), (new() { RepetitionPenalty = 0 }, "repetition-penalty"),
            (new() { StopStrings = [""] }, "stop"), (new() { Temperature = double.NaN }, "temperature"),
        })
        {
            Assert.StartsWith(name, Assert.Throws<Generated.InvalidInputException>(options.Check).Message);
        }

        new GenerationOptions().Check();
    }
}
