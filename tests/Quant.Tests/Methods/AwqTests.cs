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
        var problem = new SiteProblem(x, Data.Statistics(x), [.. weights.Select(w => new TensorRows(Data.Tensor(w)))], Int4, null);
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
        var found = Data.Rows(AutoClip.Thresholds(new TensorRows(Data.Tensor(weight)), Data.Tensor(inputs), format, options, Rounding.ToEven));
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

    /// <summary>There, activations and weights are cast to float16. Powers of two change no digit: the thresholds are the same, times the weight's.</summary>
    [Theory]
    [InlineData(600)] // through the Gram matrix
    [InlineData(5)]
    public void Defect03_AutoClip_ValuesBeyondFloat16_GiveTheThresholdsOfThoseWithin(int tokens)
    {
        using var scope = NewDisposeScope();
        const float beyond = 1 << 20; // of values around 1; float16 ends at 65504
        var (inputs, weight) = (Data.Tensor(Data.Activations(4, tokens, 64)), Data.Tensor(Data.Normal(5, 6, 64)));
        var within = AutoClip.Thresholds(new TensorRows(weight), inputs, Int4, new(), Rounding.ToEven);
        var found = AutoClip.Thresholds(new TensorRows(weight * beyond), inputs * beyond, Int4, new(), Rounding.ToEven);
        Assert.True(inputs.mul(beyond).abs().max().item<float>() > 65504);
        Assert.Equal((within * beyond).data<float>().ToArray(), found.data<float>().ToArray());
        var rounded = AutoClip.Thresholds(new TensorRows((weight * beyond).to_type(ScalarType.BFloat16)), (inputs * beyond).to_type(ScalarType.BFloat16), Int4, new(), Rounding.ToEven);
        Assert.All(rounded.data<float>().ToArray(), threshold => Assert.True(float.IsFinite(threshold) && threshold > 65504));
    }
}
