using Generated;
using Generated.Quant.Methods;
using Generated.Quant.Recipes;
using TorchSharp;
using static TorchSharp.torch;

namespace Quant.Tests.Methods;

public sealed class GptqTests
{
    private static readonly WeightFormat Grouped = new() { Bits = 4, Per = Granularity.Group, GroupSize = 32 };

    private static GptqResult Quantize(float[][] weight, float[][] tokens, WeightFormat format, GptqOptions options, Rounding rounding = Rounding.ToEven, Tensor? clip = null)
    {
        using var w = Data.Tensor(weight);
        using var x = Data.Tensor(tokens);
        using var hessian = new Hessian(tokens[0].Length);
        hessian.Add(x);
        return GptqQuantizer.Quantize(new TensorRows(w), hessian, format, options, rounding, clip);
    }

    private static double OutputError(float[][] weight, float[] found, float[][] tokens) => tokens.Average(x => weight.Select((row, o) =>
        Math.Pow(Enumerable.Range(0, x.Length).Sum(c => (double)x[c] * (row[c] - found[o * x.Length + c])), 2)).Sum());

    [Theory]
    [InlineData(4, Granularity.Channel, true, true, 128, Rounding.ToEven)]
    [InlineData(4, Granularity.Channel, true, false, 7, Rounding.ToEven)]
    [InlineData(4, Granularity.Group, true, false, 128, Rounding.AwayFromZero)]
    [InlineData(4, Granularity.Group, true, true, 128, Rounding.ToEven)]
    [InlineData(4, Granularity.Group, false, true, 48, Rounding.ToEven)]
    [InlineData(4, Granularity.Group, false, true, 16, Rounding.ToEven)]
    [InlineData(4, Granularity.Group, false, false, 1, Rounding.AwayFromZero)]
    [InlineData(8, Granularity.Channel, false, true, 20, Rounding.ToEven)]
    public void Quantize_EqualsColumnByColumnWithTheWholeInverse(int bits, Granularity per, bool symmetric, bool actOrder, int block, Rounding rounding)
    {
        var format = new WeightFormat { Bits = bits, Per = per, GroupSize = 32, Symmetric = symmetric };
        var (weight, tokens) = (Data.Normal(1, 12, 76), Data.Activations(2, 200, 76));
        foreach (var token in tokens)
            token[11] = 0; // a dead column
        var found = Quantize(weight, tokens, format, new GptqOptions { ActOrder = actOrder, BlockSize = block, Damping = 0.01 }, rounding);
        var (codes, scales, zeros, order) = NaiveGptq.Quantize(
            [.. weight.Select(r => r.Select(v => (double)v).ToArray())], [.. tokens.Select(r => r.Select(v => (double)v).ToArray())], format, 0.01, actOrder, rounding);

        Assert.Equal((1, 0, 0.01), (found.DeadColumns, found.Escalations, found.Damping));
        var (apart, result) = (0, found.Weight);
        for (var row = 0; row < 12; row++)
        {
            for (var group = 0; group < result.Groups; group++)
            {
                Assert.Equal(scales[row, group], result.Scales[row * result.Groups + group], scales[row, group] * 1e-4f);
                Assert.Equal(zeros[row, group], result.Zeros?[row * result.Groups + group] ?? 1 << (bits - 1));
            }

            for (var column = 0; column < 76; column++)
                apart += codes[row, column] == result.Codes[row * 76 + column] ? 0 : 1;
        }

        Assert.Equal(0, apart);
        Assert.Equal(actOrder && per == Granularity.Group, result.GroupIndex is not null);
        if (result.GroupIndex is { } index)
            Assert.Equal(Enumerable.Range(0, 76).Select(c => Array.IndexOf(order, c) / 32), index);
    }

    /// <summary>Rows do not know of each other: a head is quantized in parts of them.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void RowsInParts_AreQuantizedAsTheWhole(bool actOrder)
    {
        using var scope = NewDisposeScope();
        using var seeded = new Generator(3);
        var (w, x) = (randn([45, 64], generator: seeded), randn([200, 64], generator: seeded));
        var options = new GptqOptions { ActOrder = actOrder };
        var clip = rand([45, 2], generator: seeded) + 1;
        var (whole, parts) = (Run(long.MaxValue), Run(64 * 16));
        // The same products of fewer rows may round differently in the last bit, and a value between two codes fall to the other.
        Assert.InRange(whole.Weight.Codes.Zip(parts.Weight.Codes).Count(pair => pair.First != pair.Second), 0, 3);
        Assert.Equal(whole.Weight.Zeros, parts.Weight.Zeros);
        Assert.Equal(whole.Weight.GroupIndex, parts.Weight.GroupIndex);
        Assert.All(whole.Weight.Scales.Zip(parts.Weight.Scales), pair => Assert.Equal(pair.First, pair.Second, 1e-5f * pair.First));
        Assert.Equal(whole.Error, parts.Error, 1e-3 * whole.Error);
        Assert.Equal(whole.NearestError, parts.NearestError, 1e-3 * whole.NearestError);

        GptqResult Run(long weightsAtOnce)
        {
            using var hessian = new Hessian(64);
            hessian.Add(x);
            return GptqQuantizer.Quantize(new TensorRows(w), hessian, Grouped, options, Rounding.ToEven, clip, weightsAtOnce);
        }
    }

    [Fact]
    public void Quantize_ReportedErrors_AreThoseOnTheTokens_AndBelowRounding()
    {
        foreach (var format in new[] { Grouped, Grouped with { Symmetric = false }, new WeightFormat { Bits = 4 }, new WeightFormat() })
        {
            foreach (var options in new[] { new GptqOptions(), new GptqOptions { ActOrder = false }, new GptqOptions { StaticGroups = true } })
            {
                var (weight, tokens) = (Data.Normal(5, 20, 70), Data.Activations(6, 300, 70));
                var found = Quantize(weight, tokens, format, options);
                using var w = Data.Tensor(weight);
                var nearest = RoundToNearest.Quantize(w, format, Rounding.ToEven);
                var whole = OutputError(weight, new float[20 * 70], tokens);
                Assert.Equal(OutputError(weight, found.Weight.Dequantize(), tokens) / whole, found.Error, found.Error * 1e-4);
                Assert.Equal(OutputError(weight, nearest.Dequantize(), tokens) / whole, found.NearestError, found.NearestError * 1e-4);
                Assert.True(found.Error < 0.7 * found.NearestError, $"{found.Error} against {found.NearestError}");
            }
        }
    }

    [Fact]
    public void Quantize_TwoColumns_SecondIsTheBestOfAllCodes()
    {
        var random = new Random(7);
        for (var round = 0; round < 200; round++)
        {
            var tokens = Data.Normal(round, 6, 2).Select(x => new[] { x[0] * 3, x[0] * random.NextSingle() + x[1] }).ToArray();
            var weight = Data.Normal(round + 1000, 1, 2);
            var found = Quantize(weight, tokens, new WeightFormat { Bits = 4 }, new GptqOptions { Damping = 0 });
            var first = Enumerable.Range(0, 2).MaxBy(c => tokens.Sum(x => x[c] * x[c]));
            var scale = weight[0].Max(Math.Abs) / 7;
            Assert.Equal(MathF.Round(weight[0][first] / scale) + 8, found.Weight.Codes[first]);
            var best = Enumerable.Range(0, 16).MinBy(code =>
            {
                var trial = new float[2];
                trial[first] = (found.Weight.Codes[first] - 8) * scale;
                trial[1 - first] = (code - 8) * scale;
                return OutputError(weight, trial, tokens);
            });
            Assert.Equal(best, found.Weight.Codes[1 - first]);
        }
    }

    [Fact]
    public void Defect07_SingularHessian_DampingIsRaisedAndReported()
    {
        var tokens = Data.Normal(9, 3, 40); // rank 3
        var found = Quantize(Data.Normal(8, 5, 40), tokens, Grouped, new GptqOptions { Damping = 0 });
        Assert.True(found.Escalations > 0);
        Assert.True(found.Damping > 0);
        Assert.True(found.Error <= found.NearestError);
    }

    [Fact]
    public void Defect07_NoUsableHessian_IsAnErrorAndNoFloatLayer()
    {
        var nothing = Data.Normal(1, 4, 8).Select(r => new float[8]).ToArray();
        Assert.Throws<InvalidInputException>(() => Quantize(Data.Normal(8, 5, 8), nothing, Grouped, new GptqOptions()));
        using var hessian = new Hessian(8);
        using var w = Data.Tensor(Data.Normal(8, 5, 8));
        Assert.Throws<InvalidInputException>(() => GptqQuantizer.Quantize(new TensorRows(w), hessian, Grouped, new GptqOptions(), Rounding.ToEven));
        using var rows = full(2, 8, float.NaN);
        Assert.Throws<InvalidInputException>(() => hessian.Add(rows));
    }

    [Fact]
    public void Defect08_Result_IsIntegersWithTheScalesTheyWereTakenWith()
    {
        var (weight, tokens) = (Data.Normal(5, 20, 64), Data.Activations(6, 300, 64));
        var found = Quantize(weight, tokens, new WeightFormat { Bits = 4 }, new GptqOptions()).Weight;
        var values = found.Dequantize();
        var again = 0;
        for (var row = 0; row < 20; row++)
        {
            var derived = values[(row * 64)..((row + 1) * 64)].Max(Math.Abs) / 7; // what a consumer without scales would assume
            again += Math.Abs(derived / found.Scales[row] - 1) > 1e-5 ? 1 : 0;
            for (var c = 0; c < 64; c++)
                Assert.Equal((found.Codes[row * 64 + c] - 8) * found.Scales[row], values[row * 64 + c]);
        }

        Assert.True(again > 0, "every scale could be derived again; the test shows nothing");
    }

    [Fact]
    public void Defect09_ActOrderWithGroups_GroupIndexIsTrue()
    {
        var (weight, tokens) = (Data.Normal(5, 20, 96), Data.Activations(6, 300, 96));
        var found = Quantize(weight, tokens, Grouped, new GptqOptions());
        var index = found.Weight.GroupIndex!;
        Assert.Equal([32, 32, 32], index.GroupBy(g => g).OrderBy(g => g.Key).Select(g => g.Count()));
        var energy = Enumerable.Range(0, 96).Select(c => tokens.Sum(x => (double)x[c] * x[c])).ToArray();
        Assert.True(Enumerable.Range(0, 96).Where(c => index[c] == 0).Min(c => energy[c]) >= Enumerable.Range(0, 96).Where(c => index[c] == 1).Max(c => energy[c]));
        var withoutIndex = new Generated.Quant.Weights.QuantizedWeight(20, 96, 4, 32, found.Weight.Codes, found.Weight.Scales);
        Assert.True(OutputError(weight, withoutIndex.Dequantize(), tokens) > 5 * OutputError(weight, found.Weight.Dequantize(), tokens));
    }

    [Fact]
    public void Quantize_StaticGroups_NeedNoIndexAndKeepTheOriginalScales()
    {
        var (weight, tokens) = (Data.Normal(5, 6, 70), Data.Activations(6, 300, 70));
        using var w = Data.Tensor(weight);
        var found = Quantize(weight, tokens, Grouped, new GptqOptions { StaticGroups = true }).Weight;
        Assert.Null(found.GroupIndex);
        Assert.Equal(RoundToNearest.Quantize(w, Grouped, Rounding.ToEven).Scales, found.Scales);
    }

    [Fact]
    public void Quantize_DeadColumn_IsRoundedToNearestAndLeavesTheOthersAlone()
    {
        var (weight, tokens) = (Data.Normal(5, 6, 33), Data.Activations(6, 300, 33));
        foreach (var token in tokens)
            token[7] = 0;
        var format = new WeightFormat();
        var found = Quantize(weight, tokens, format, new GptqOptions());
        weight.ToList().ForEach(row => row[7] *= 0.5f);
        var other = Quantize(weight, tokens, format, new GptqOptions());
        Assert.Equal(1, found.DeadColumns);
        for (var row = 0; row < 6; row++)
        {
            Assert.Equal(MathF.Round(weight[row][7] / other.Weight.Scales[row]) + 128, other.Weight.Codes[row * 33 + 7]);
            for (var c = 0; c < 33; c++)
                if (c != 7 && found.Weight.Scales[row] == other.Weight.Scales[row])
                    Assert.Equal(found.Weight.Codes[row * 33 + c], other.Weight.Codes[row * 33 + c]);
        }
    }

    [Fact]
    public void Quantize_Clip_LimitsTheScalesOfReorderedColumns()
    {
        var (weight, tokens) = (Data.Normal(5, 6, 70), Data.Activations(6, 300, 70));
        using var clip = full(6, 3, 0.5f);
        foreach (var options in new[] { new GptqOptions(), new GptqOptions { StaticGroups = true }, new GptqOptions { ActOrder = false } })
            Assert.All(Quantize(weight, tokens, Grouped, options, clip: clip).Weight.Scales, scale => Assert.True(scale <= 0.5f / 7 + 1e-7f));
    }

    [Fact]
    public void Hessian_ManyCalls_EqualsOneAndThePlainSum()
    {
        var tokens = Data.Activations(3, 2100, 9);
        using var all = Data.Tensor(tokens);
        using var one = new Hessian(9);
        using var many = new Hessian(9);
        one.Add(all);
        foreach (var part in all.split([1, 700, 0, 1399]))
            many.Add(part);
        using var first = one.Take();
        using var second = many.Take();
        Assert.Equal((2100, 2100), (one.Tokens, many.Tokens));
        for (var i = 0; i < 9; i++)
        {
            for (var j = 0; j < 9; j++)
            {
                var expected = 2 * tokens.Average(x => (double)x[i] * x[j]);
                var scale = 2 * Math.Sqrt(tokens.Average(x => (double)x[i] * x[i]) * tokens.Average(x => (double)x[j] * x[j]));
                Assert.Equal(expected, first[i, j].item<double>(), scale * 1e-6);
                Assert.Equal(expected, second[i, j].item<double>(), scale * 1e-6);
            }
        }
    }

    /// <summary>Widths of one block, of several and of one that ends short; against libtorch's inverse and product of the whole matrix.</summary>
    [Theory]
    [InlineData(40, true)]
    [InlineData(512, true)]
    [InlineData(1100, true)]
    [InlineData(1100, false)]
    public void Factored_GivesTheInverseAndKeepsTheHessian_InOneMatrix(int width, bool actOrder)
    {
        using var scope = NewDisposeScope();
        random.manual_seed(3);
        // Small whole numbers: products and sums in float32 are exact, so that only the factorisation rounds.
        var tokens = randint(-2, 3, [2 * width, width / 2]).matmul(randint(-1, 2, [width / 2, width])) + randint(-2, 3, [2 * width, width]);
        tokens.narrow(1, 7, 1).zero_();
        using var hessian = new Hessian(width);
        hessian.Add(tokens);
        var factored = hessian.Factored(new GptqOptions { ActOrder = actOrder, Damping = 0.01 });
        Assert.Same(factored, hessian.Factored(new GptqOptions()));
        Assert.Throws<InvalidOperationException>(() => hessian.Add(tokens));

        var h = 2.0 / tokens.shape[0] * tokens.t().matmul(tokens).to_type(ScalarType.Float64);
        var filled = h.diagonal().clone();
        filled[7] = filled.mean();
        var damped = h.clone();
        damped.diagonal().copy_(filled + 0.01 * filled.mean());
        if (factored.Order is { } order)
        {
            var places = tensor(order.Select(c => (long)c).ToArray());
            damped = damped.index_select(0, places).index_select(1, places);
        }

        var upper = factored.Upper.triu();
        Assert.True((upper.diagonal() > 0).all().item<bool>());
        Assert.InRange((upper.matmul(damped).matmul(upper.t()) - eye(width, dtype: ScalarType.Float64)).abs().max().item<double>(), 0, 1e-9);
        Assert.Equal((actOrder, 1, 0, 0.01), (factored.Order is not null, factored.DeadColumns, factored.Escalations, factored.Damping));
        var rows = randn(5, width, ScalarType.Float64);
        var energy = (rows.matmul(h) * rows).sum().item<double>();
        Assert.Equal(energy, factored.Energy(rows), energy * 1e-9);
    }

    [Fact]
    public void Factored_AfterEscalations_IsOfTheSameHessian()
    {
        using var scope = NewDisposeScope();
        random.manual_seed(4);
        var tokens = randint(-4, 5, [300, 1100]); // rank 300
        using var hessian = new Hessian(1100);
        hessian.Add(tokens);
        var factored = hessian.Factored(new GptqOptions { ActOrder = false, Damping = 0 });
        Assert.True(factored.Escalations > 0);
        var h = 2.0 / 300 * tokens.t().matmul(tokens).to_type(ScalarType.Float64);
        h.diagonal().add_(factored.Damping * h.diagonal().mean());
        var upper = factored.Upper.triu();
        Assert.InRange((upper.matmul(h).matmul(upper.t()) - eye(1100, dtype: ScalarType.Float64)).abs().max().item<double>(), 0, 1e-3);
    }
}
