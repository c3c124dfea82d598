using Generated;
using Generated.Quant.Methods;
using Generated.Quant.Recipes;
using TorchSharp;
using static TorchSharp.torch;

namespace Quant.Tests.Methods;

public sealed class RoundToNearestTests
{
    public static TheoryData<int, Granularity, bool, WeightObserver, Rounding> Formats()
    {
        var data = new TheoryData<int, Granularity, bool, WeightObserver, Rounding>();
        foreach (var bits in new[] { 4, 8 })
            foreach (var per in Enum.GetValues<Granularity>())
                foreach (var symmetric in new[] { true, false })
                    foreach (var observer in Enum.GetValues<WeightObserver>())
                        data.Add(bits, per, symmetric, observer, bits == 4 ? Rounding.ToEven : Rounding.AwayFromZero);
        return data;
    }

    [Theory]
    [MemberData(nameof(Formats))]
    public void Quantize_EveryFormat_EqualsPlainLoops(int bits, Granularity per, bool symmetric, WeightObserver observer, Rounding rounding)
    {
        var format = new WeightFormat { Bits = bits, Per = per, GroupSize = 32, Symmetric = symmetric, Observer = observer };
        var rows = Data.Normal(3, 9, 76); // groups of 32, 32 and 12
        rows[2] = new float[76];
        rows[3] = [.. rows[3].Select(Math.Abs)];
        rows[4] = [.. rows[4].Select(v => -Math.Abs(v))];
        Array.Fill(rows[5], 0.25f);
        rows[6][70] = 90;
        using var weight = Data.Tensor(rows);
        var found = RoundToNearest.Quantize(weight, format, rounding);

        var groupSize = per == Granularity.Group ? 32 : 76;
        Assert.Equal((9, 76, bits, (76 + groupSize - 1) / groupSize, symmetric), (found.OutWidth, found.InWidth, found.Bits, found.Groups, found.IsSymmetric));
        Assert.Null(found.GroupIndex);
        var (codes, apart) = (0, 0);
        for (var row = 0; row < 9; row++)
        {
            for (var group = 0; group < found.Groups; group++)
            {
                var shared = per == Granularity.Tensor ? rows.SelectMany(r => r) : rows[row].Skip(group * groupSize).Take(groupSize);
                var grid = NaiveGrid.Fit([.. shared.Select(v => (double)v)], format, rounding);
                Assert.Equal(grid.Scale, found.Scales[row * found.Groups + group], grid.Scale * 2e-7f);
                Assert.Equal(grid.Zero, found.Zeros?[row * found.Groups + group] ?? 1 << (bits - 1));
                for (var column = group * groupSize; column < Math.Min(76, (group + 1) * groupSize); column++)
                {
                    codes++;
                    apart += NaiveGrid.Code(rows[row][column], grid, format, rounding) == found.Codes[row * 76 + column] ? 0 : 1;
                }
            }
        }

        Assert.True(apart <= codes / 500, $"{apart} of {codes} codes differ"); // a scale one ulp apart moves a tie
    }

    [Theory]
    [InlineData(Rounding.ToEven)]
    [InlineData(Rounding.AwayFromZero)]
    public void Round_TiesAndNeighboursOfTies_EqualsMathRound(Rounding rounding)
    {
        var values = new[] { 0.5f, -0.5f, 1.5f, -1.5f, 2.5f, -2.5f, 0.49999997f, -0.49999997f, 126.5f, 127.49999f, 8388607.5f, 3e9f, -0f, 1e-40f };
        using var found = Rounder.Round(tensor(values), rounding);
        Assert.Equal(values.Select(v => NaiveGrid.Round(v, rounding)), found.data<float>().ToArray());
    }

    [Fact]
    public void Quantize_ClipThresholds_LimitTheRangeOfTheirGroup()
    {
        var format = new WeightFormat { Bits = 4, Per = Granularity.Group, GroupSize = 32 };
        using var weight = Data.Tensor(Data.Normal(4, 3, 40));
        using var clip = tensor(new[] { 0.7f, 0.1f, 0.3f, 0.2f, 100f, 1f }).reshape(3, 2);
        var found = RoundToNearest.Quantize(weight, format, Rounding.ToEven, clip);
        Assert.Equal(new[] { 0.7f / 7, 0.1f / 7, 0.3f / 7, 0.2f / 7 }, found.Scales[..4]);
        Assert.Equal(Data.Rows(weight)[2][..32].Max(Math.Abs) / 7, found.Scales[4], 1e-7f);
    }

    [Fact]
    public void Quantize_SubnormalWeights_KeepAUsableScale()
    {
        using var weight = full(2, 8, 1e-44f);
        var found = RoundToNearest.Quantize(weight, new WeightFormat(), Rounding.ToEven);
        Assert.All(found.Scales, scale => Assert.True(scale > 0));
        Assert.All(found.Dequantize(), value => Assert.Equal(0, value));
    }

    [Theory]
    [InlineData(float.NaN, "NaN")]
    [InlineData(float.NegativeInfinity, "infinity")]
    public void Quantize_NotFinite_IsRefusedWithItsPlace(float value, string word)
    {
        using var weight = zeros(4, 6);
        weight[2, 5] = value;
        var error = Assert.Throws<InvalidInputException>(() => RoundToNearest.Quantize(weight, new WeightFormat(), Rounding.ToEven));
        Assert.Contains($"{word} (row 2, column 5", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void PerToken_AndStatic_EqualPlainLoops()
    {
        var rows = Data.Normal(8, 5, 33);
        rows[1] = new float[33];
        using var x = Data.Tensor(rows);
        using var perToken = FakeQuantize.PerToken(x, Rounding.ToEven);
        using var constant = FakeQuantize.Static(x, 0.01f, Rounding.ToEven);
        var (tokens, statics) = (Data.Rows(perToken), Data.Rows(constant));
        for (var i = 0; i < 5; i++)
        {
            var scale = rows[i].Max(Math.Abs) is var max && max > 0 ? max / 127 : 1;
            for (var c = 0; c < 33; c++)
            {
                Assert.Equal(MathF.Round(rows[i][c] / scale) * scale, tokens[i][c]);
                Assert.Equal(Math.Clamp(MathF.Round(rows[i][c] / 0.01f), -128, 127) * 0.01f, statics[i][c]);
            }
        }
    }

    [Fact]
    public void PerSection_EachHead_UsesItsScale()
    {
        using var x = arange(12, ScalarType.Float32).reshape(1, 1, 12);
        using var found = FakeQuantize.PerSection(x, [1, 10, 3], Rounding.ToEven);
        Assert.Equal([0, 1, 2, 3, 0, 0, 10, 10, 9, 9, 9, 12], found.data<float>().ToArray());
    }
}
