using Generated.Quant.Methods;
using Generated.Quant.Recipes;
using TorchSharp;
using static TorchSharp.torch;

namespace Quant.Tests.Methods;

public sealed class AwqTests
{
    private static readonly WeightFormat Int4 = new() { Bits = 4, Per = Granularity.Group, GroupSize = 32, Symmetric = false };

    [Fact]
    public void Scales_AreTheBestOfTheGrid_ByAnIndependentError()
    {
        using var scope = NewDisposeScope();
        var (inputs, weights) = (Data.Activations(1, 50, 40), new[] { Data.Normal(2, 10, 40), Data.Normal(3, 6, 40) });
        var x = Data.Tensor(inputs);
        var problem = new SiteProblem(x, Data.Statistics(x), [.. weights.Select(Data.Tensor)], Int4, null);
        var found = AwqSearch.Scales(problem, new AwqOptions { Grid = 10 }, Rounding.ToEven);
        var means = Enumerable.Range(0, 40).Select(c => inputs.Average(row => (double)Math.Abs(row[c]))).ToArray();
        var errors = new List<double>();
        for (var i = 0; i < 10; i++)
        {
            var powers = means.Select(m => Math.Pow(m, i / 10.0)).ToArray();
            var middle = Math.Sqrt(powers.Max() * powers.Min());
            errors.Add(NaiveError.Of(inputs, weights, [.. powers.Select(p => (float)(p / middle))], Int4, false, isRelative: false));
        }

        Assert.Equal(errors.Min(), NaiveError.Of(inputs, weights, found, Int4, false, isRelative: false), errors.Min() * 1e-3);
        Assert.True(errors.Min() < errors[0]);
    }

    [Fact]
    public void Scales_ChannelThatIsAlwaysZero_GetsTheSmallestOfTheOthers()
    {
        var scales = AwqSearch.Scales([0, 1, 4, 16], 0.5);
        Assert.Equal([0.5f, 0.5f, 1, 2], scales);
        Assert.Equal([1f, 1], AwqSearch.Scales([0, 0], 0.5));
    }

    [Theory]
    [InlineData(4, Granularity.Group, 600)]
    [InlineData(4, Granularity.Group, 5)]
    [InlineData(8, Granularity.Channel, 60)]
    [InlineData(4, Granularity.Channel, 60)]
    public void Defect12_Thresholds_UseTheBitsAndWorkOnFewTokens(int bits, Granularity per, int tokens)
    {
        using var scope = NewDisposeScope();
        var format = new WeightFormat { Bits = bits, Per = per, GroupSize = 32 };
        var options = new AutoClipOptions { Tokens = 64 };
        var (inputs, weight) = (Data.Activations(4, tokens, 40), Data.Normal(5, 6, 40));
        weight[1] = new float[40];
        var found = Data.Rows(AutoClip.Thresholds(Data.Tensor(weight), Data.Tensor(inputs), format, options, Rounding.ToEven));
        var used = tokens <= 64 ? inputs : [.. Enumerable.Range(0, 64).Select(i => inputs[i * tokens / 64])];
        var size = per == Granularity.Group ? 32 : 40;
        var clipped = 0;
        for (var row = 0; row < 6; row++)
        {
            var groups = weight[row].Chunk(size).ToArray();
            for (var g = 0; g < groups.Length; g++)
            {
                var whole = groups[g].Max(Math.Abs);
                double Error(double threshold)
                {
                    var grid = NaiveGrid.Fit([.. groups[g].Select(v => (double)v)], format, Rounding.ToEven, threshold);
                    return used.Sum(x => Math.Pow(groups[g].Select((v, c) => (double)x[g * size + c] * (v - (NaiveGrid.Code(v, grid, format, Rounding.ToEven) - grid.Zero) * grid.Scale)).Sum(), 2));
                }

                var best = Enumerable.Range(0, 10).Min(i => Error(whole * (1 - i / 20f)));
                Assert.Equal(best, Error(found[row][g]), best * 1e-3 + 1e-9);
                clipped += found[row][g] < whole ? 1 : 0;
            }
        }

        Assert.True(bits == 8 || clipped > 0, "nothing was clipped");
    }
}
