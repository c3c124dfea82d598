using Generated;
using Generated.Quant.Methods;
using Generated.Quant.Recipes;
using TorchSharp;
using static TorchSharp.torch;

namespace Quant.Tests.Methods;

public sealed class SmoothingTests
{
    private static readonly ActivationFormat Int8 = new();

    /// <summary>Three linears of different magnitude that read one value.</summary>
    private static (float[][] Inputs, float[][][] Weights) Site(int width = 24) =>
        (Data.Activations(1, 60, width), [Data.Normal(2, 10, width), Data.Normal(3, 6, width, _ => 0.1f), Data.Normal(4, 8, width, c => 1 + c % 3)]);

    private static float[] Scales(float[][] inputs, float[][][] weights, SmoothOptions options, WeightFormat? format = null, ActivationFormat? activations = null)
    {
        using var scope = NewDisposeScope();
        var x = Data.Tensor(inputs);
        return Smoothing.Scales(new SiteProblem(x, Data.Statistics(x), [.. weights.Select(w => new TensorRows(Data.Tensor(w)))], format, activations), options, Rounding.ToEven);
    }

    [Fact]
    public void Scales_NoSearch_EqualsTheFormulaOverAllLinears()
    {
        var (inputs, weights) = Site();
        foreach (var alpha in new[] { 0, 0.5, 0.8, 1 })
        {
            var found = Scales(inputs, weights, new SmoothOptions { Alpha = alpha });
            for (var c = 0; c < 24; c++)
            {
                var (x, w) = (inputs.Max(row => Math.Abs(row[c])), weights.SelectMany(m => m).Max(row => Math.Abs(row[c])));
                var expected = Math.Pow(x, alpha) / Math.Pow(w, 1 - alpha);
                Assert.Equal(expected, found[c], expected * 1e-6);
            }
        }
    }

    [Fact]
    public void Defect02_Scales_DependOnEveryLinearAndNotOnTheirOrder()
    {
        var (inputs, weights) = Site();
        foreach (var options in new[] { new SmoothOptions(), new SmoothOptions { Search = SmoothSearch.Alpha }, new SmoothOptions { Search = SmoothSearch.Piecewise, Pieces = 2, AlphaStep = 0.1, ScaleStep = 1 } })
        {
            var found = Scales(inputs, weights, options, new WeightFormat(), Int8);
            Assert.Equal(found, Scales(inputs, [weights[2], weights[0], weights[1]], options, new WeightFormat(), Int8));
            Assert.NotEqual(found, Scales(inputs, [weights[2]], options, new WeightFormat(), Int8));
            Assert.NotEqual(found, Scales(inputs, [weights[0], weights[1]], options, new WeightFormat(), Int8));
        }
    }

    [Fact]
    public void Defect03_ValuesBeyondFloat16_StayFinite()
    {
        var (inputs, weights) = Site();
        foreach (var row in inputs)
            (row[3], row[4]) = (row[3] * 1e7f, row[4] * 1e-9f);
        foreach (var search in Enum.GetValues<SmoothSearch>())
        {
            var found = Scales(inputs, weights, new SmoothOptions { Search = search, AlphaStep = 0.1 }, new WeightFormat(), Int8);
            Assert.All(found, scale => Assert.True(float.IsFinite(scale) && scale > 0));
            Assert.True(NaiveError.Of(inputs, weights, found, new WeightFormat(), true) < 0.02);
        }
    }

    [Fact]
    public void Scales_ChannelThatIsAlwaysZero_IsLeftAlone()
    {
        var (inputs, weights) = Site();
        foreach (var row in inputs)
            row[5] = 0;
        foreach (var matrix in weights)
            foreach (var row in matrix)
                row[6] = 0;
        var found = Scales(inputs, weights, new SmoothOptions());
        Assert.Equal((1, 1), (found[5], found[6]));
    }

    [Fact]
    public void AlphaSearch_IsTheBestOfItsGrid_ByAnIndependentError()
    {
        var (inputs, weights) = Site();
        var options = new SmoothOptions { Search = SmoothSearch.Alpha, AlphaStep = 0.1 };
        foreach (var format in new[] { new WeightFormat(), new WeightFormat { Bits = 4, Per = Granularity.Group, GroupSize = 32, Symmetric = false } })
        {
            var error = NaiveError.Of(inputs, weights, Scales(inputs, weights, options, format, Int8), format, true);
            var best = new[] { 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8 }.Min(alpha =>
                NaiveError.Of(inputs, weights, Scales(inputs, weights, new SmoothOptions { Alpha = alpha }), format, true));
            Assert.Equal(best, error, best * 1e-3);
        }
    }

    [Theory]
    [InlineData(1, false)]
    [InlineData(3, false)]
    [InlineData(4, true)]
    public void PiecewiseSearch_NeverLosesToPlainSmoothing(int pieces, bool searchPieces)
    {
        for (var seed = 0; seed < 4; seed++)
        {
            var (inputs, weights) = (Data.Activations(seed, 40, 20), new[] { Data.Normal(seed + 50, 8, 20), Data.Normal(seed + 60, 5, 20) });
            var options = new SmoothOptions { Search = SmoothSearch.Piecewise, Pieces = pieces, SearchPieces = searchPieces, AlphaStep = 0.05 };
            var format = new WeightFormat();
            var plain = NaiveError.Of(inputs, weights, Scales(inputs, weights, new SmoothOptions()), format, true);
            var alpha = NaiveError.Of(inputs, weights, Scales(inputs, weights, options with { Search = SmoothSearch.Alpha }, format, Int8), format, true);
            var found = NaiveError.Of(inputs, weights, Scales(inputs, weights, options, format, Int8), format, true);
            Assert.True(found <= alpha * 1.001 && alpha <= plain * 1.001, $"pieces {found}, alpha {alpha}, plain {plain}");
        }
    }

    [Fact]
    public void PiecewiseSearch_SearchedNumberOfPieces_IsAtLeastAsGoodAsEach()
    {
        var (inputs, weights) = Site();
        var options = new SmoothOptions { Search = SmoothSearch.Piecewise, AlphaStep = 0.1 };
        double Error(SmoothOptions o) => NaiveError.Of(inputs, weights, Scales(inputs, weights, o, new WeightFormat(), Int8), new WeightFormat(), true);
        var searched = Error(options with { Pieces = 4, SearchPieces = true });
        for (var pieces = 1; pieces <= 4; pieces++)
            Assert.True(searched <= Error(options with { Pieces = pieces }) * 1.001);
    }

    [Fact]
    public void Clusters_SmallSets_AreTheBestOfAllPartitions()
    {
        var random = new Random(3);
        for (var round = 0; round < 50; round++)
        {
            var values = Enumerable.Range(0, 9).Select(_ => (float)Math.Exp(3 * random.NextDouble())).ToArray();
            var found = MagnitudeClusters.Split(values, 3);
            Assert.Equal(Enumerable.Range(0, 9), found.SelectMany(c => c).Order());
            Assert.True(found[0].Min(c => values[c]) > found[1].Max(c => values[c]) && found[1].Min(c => values[c]) > found[2].Max(c => values[c]));
            var sorted = values.Order().ToArray();
            var best = double.PositiveInfinity;
            for (var i = 1; i < 8; i++)
                for (var j = i + 1; j < 9; j++)
                    best = Math.Min(best, Spread(sorted[..i]) + Spread(sorted[i..j]) + Spread(sorted[j..]));
            Assert.Equal(best, found.Sum(cluster => Spread([.. cluster.Select(c => values[c])])), 1e-4);
        }

        static double Spread(float[] values) => values.Sum(v => Math.Pow(v - values.Average(x => (double)x), 2));
    }

    [Fact]
    public void Clusters_FewDifferentMagnitudes_GiveFewerClusters()
    {
        Assert.Single(MagnitudeClusters.Split([2, 2, 2], 3));
        Assert.Equal([[1], [0, 2]], MagnitudeClusters.Split([1, 5, 1], 3).Select(c => c.Order().ToArray()));
    }

    [Fact]
    public void Scales_NotFinite_IsRefused()
    {
        var (inputs, weights) = Site();
        weights[1][2][7] = float.NaN;
        Assert.Contains("weights hold NaN", Assert.Throws<InvalidInputException>(() => Scales(inputs, weights, new SmoothOptions())).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Offsets_MinMax_CentreEveryChannel_AndEmaFollowsItsFormula()
    {
        var rows = Data.Normal(1, 50, 6).Select(row => row.Select((v, c) => v + 10 * c).ToArray()).ToArray();
        using var x = Data.Tensor(rows);
        var offsets = Shifting.Offsets(Data.Statistics(x), new ShiftOptions { Sampler = ShiftSampler.MinMax });
        for (var c = 0; c < 6; c++)
            Assert.Equal(-rows.Min(r => r[c] - offsets[c]), rows.Max(r => r[c] - offsets[c]), 1e-4);

        var statistics = new Generated.Quant.Calibration.ChannelStatistics(6);
        var ema = new double[6];
        for (var batch = 0; batch < 5; batch++)
        {
            using var part = x.narrow(0, batch * 10, 10);
            statistics.Add(part);
            for (var c = 0; c < 6; c++)
                ema[c] = 0.98 * ema[c] + 0.02 * rows.Skip(batch * 10).Take(10).Average(r => (double)r[c]);
        }

        var found = Shifting.Offsets(statistics, new ShiftOptions { Sampler = ShiftSampler.Ema });
        for (var c = 0; c < 6; c++)
            Assert.Equal(ema[c] / (1 - Math.Pow(0.98, 5)), found[c], 1e-4);
    }
}
