using Generated;
using Generated.Quant.Methods;
using Generated.Quant.Qat;
using Generated.Quant.Recipes;
using Quant.Tests.Methods;
using TorchSharp;
using static TorchSharp.torch;

namespace Quant.Tests.Qat;

public sealed class QuantizerTests
{
    private static readonly ActivationFormat Static = new();

    /// <summary>Gradients of Σ f(x)·seed with respect to x and what is learned.</summary>
    private static (float[] Y, float[] Dx, float[][] Learned) Gradients(Func<Tensor, Tensor> f, IEnumerable<Tensor> learned, float[] x, float[] seed, params long[] shape)
    {
        using var scope = NewDisposeScope();
        var input = tensor(x).reshape(shape.Length == 0 ? [x.Length] : shape).requires_grad_(true);
        var y = f(input);
        (y * tensor(seed).reshape(y.shape)).sum().backward();
        return (y.detach().contiguous().data<float>().ToArray(), input.grad!.contiguous().data<float>().ToArray(),
            [.. learned.Select(p => p.grad!.contiguous().data<float>().ToArray())]);
    }

    private static void Set(Tensor parameter, params float[] values)
    {
        using var noGrad = no_grad();
        using var wanted = tensor(values).reshape(parameter.shape);
        parameter.copy_(wanted);
    }

    [Fact]
    public void Pact_ValuesAndGradients_AreThoseOfThePaper()
    {
        using var pact = new PactActivations(Rounding.ToEven, CPU);
        float[] x = [-3, -1.2f, -0.4f, 0, 0.3f, 0.9f, 1.5f, 8], seed = [1, 2, 3, 4, 5, 6, 7, 8];
        using (var first = tensor(x))
            pact.Apply(first).Dispose();
        Assert.Equal(8 / 127f, pact.Scale); // it begins at the largest magnitude
        var alpha = pact.Learned.Single().Value;
        Set(alpha, 1);
        var (y, dx, learned) = Gradients(pact.Apply, [alpha], x, seed);
        for (var i = 0; i < x.Length; i++)
            Assert.Equal(Math.Clamp(MathF.Round(x[i] * 127), -128, 127) / 127, y[i], 1e-6f);
        Assert.Equal([0, 0, 3, 4, 5, 6, 0, 0], dx);
        Assert.Equal((-1 - 2) * 128 / 127f + 7 + 8, learned[0][0], 1e-5f);

        // Where everything is clipped the layer is a function of α alone: its derivative is the difference quotient.
        double Sum(float a)
        {
            Set(alpha, a);
            using var clipped = tensor(new float[] { -3, -2.5f, 2, 7 });
            using var result = pact.Apply(clipped);
            return result.detach().data<float>().ToArray().Select((v, i) => v * (i + 1.0)).Sum();
        }

        Set(alpha, 1);
        alpha.grad!.zero_();
        var (_, _, exact) = Gradients(pact.Apply, [alpha], [-3, -2.5f, 2, 7], [1, 2, 3, 4]);
        Assert.Equal((Sum(1.01f) - Sum(0.99f)) / 0.02, exact[0][0], 1e-3);
    }

    /// <summary>paddle.md 4a: PACT and behind it the moving average of the largest magnitude, by their formulas.</summary>
    [Fact]
    public void PactMovingAverage_ClipsByAlpha_AndRoundsByTheAverage()
    {
        using var quantizer = new PactMovingAverageActivations(Rounding.ToEven, CPU);
        Assert.Throws<InvalidOperationException>(() => quantizer.Scale);
        using (var first = tensor(new[] { -8f, 1 }))
            quantizer.Apply(first).Dispose();
        Assert.Equal(8 / 127f, quantizer.Scale!.Value, 1e-7f); // both begin at the largest magnitude
        var alpha = quantizer.Learned.Single().Value;
        Set(alpha, 2);
        float[] x = [-3, -1.2f, 0, 0.3f, 1.5f, 5], seed = [1, 2, 3, 4, 5, 6];
        var (y, dx, learned) = Gradients(quantizer.Apply, [alpha], x, seed);
        var scale = (0.9f * 8 + 2) / 1.9f / 127; // the average sees what α leaves
        Assert.Equal(scale, quantizer.Scale!.Value, 1e-7f);
        for (var i = 0; i < x.Length; i++)
            Assert.Equal(MathF.Round(Math.Clamp(x[i], -2, 2) / scale) * scale, y[i], 1e-5f);
        Assert.Equal([0, 2, 3, 4, 5, 0], dx);
        Assert.Equal(-1 + 6, learned[0][0], 1e-5f);
        using (no_grad())
        using (var other = tensor(new[] { 100f }))
            quantizer.Apply(other).Dispose();
        Assert.Equal(scale, quantizer.Scale!.Value, 1e-7f);
    }

    [Fact]
    public void LsqPlus_ActivationGradients_AreThoseOfThePaper()
    {
        using var lsq = new LsqPlusActivations(Rounding.ToEven, CPU);
        var random = new Random(5);
        var x = Enumerable.Range(0, 40).Select(_ => 3 * Data.Gauss(random) + 1).ToArray();
        using (var first = tensor(x))
            lsq.Apply(first).Dispose();
        var (low, high) = (x.Min(), x.Max());
        Assert.Equal((high - low) / 255, lsq.Scale!.Value, 1e-6f);
        Assert.Equal(low + 128 * (high - low) / 255, lsq.Offset, 1e-5f);

        var parameters = lsq.Learned.Select(p => p.Value).ToArray();
        Set(parameters[0], 0.02f);
        Set(parameters[1], 0.5f);
        var seed = x.Select((_, i) => 1 + i % 5f).ToArray();
        var (y, dx, learned) = Gradients(lsq.Apply, parameters, x, seed);
        double ds = 0, db = 0;
        var g = 1 / Math.Sqrt(40 * 127);
        for (var i = 0; i < x.Length; i++)
        {
            var v = (x[i] - 0.5f) / 0.02f;
            var inside = v is >= -128 and <= 127;
            Assert.Equal(Math.Clamp(MathF.Round(v), -128, 127) * 0.02f + 0.5f, y[i], 1e-5f);
            Assert.Equal(inside ? seed[i] : 0, dx[i], 1e-3f);
            ds += seed[i] * (inside ? Math.Round(v) - v : v < 0 ? -128 : 127);
            db += inside ? 0 : seed[i];
        }

        Assert.Equal(ds * g, learned[0][0], Math.Abs(ds * g) * 1e-4);
        Assert.Equal(db * g, learned[1][0], Math.Abs(db * g) * 1e-4);
    }

    [Theory]
    [InlineData(4, Granularity.Channel)]
    [InlineData(4, Granularity.Group)]
    [InlineData(8, Granularity.Channel)]
    public void LsqPlus_WeightGradientsAndIntegers_AreThoseOfThePaper(int bits, Granularity per)
    {
        var format = new WeightFormat { Bits = bits, Per = per, GroupSize = 32 };
        var rows = Data.Normal(3, 4, 40);
        using var weight = Data.Tensor(rows);
        using var lsq = new LsqPlusWeights(weight, format, Rounding.ToEven);
        var scale = lsq.Learned.Single().Value;
        var (size, groups) = per == Granularity.Group ? (32, 2) : (40, 1);
        var (low, high) = (-(1 << (bits - 1)), (1 << (bits - 1)) - 1);
        var start = scale.detach().data<float>().ToArray();
        for (var i = 0; i < 4 * groups; i++)
        {
            var members = rows[i / groups].Chunk(size).ElementAt(i % groups);
            var mean = members.Average(v => (double)v);
            var deviation = Math.Sqrt(members.Average(v => (v - mean) * (v - mean)));
            Assert.Equal(Math.Max(Math.Abs(mean - 3 * deviation), Math.Abs(mean + 3 * deviation)) / -low, start[i], 1e-5);
        }

        Set(scale, [.. start.Select(s => 0.6f * s)]); // some are clipped now
        var seed = Enumerable.Range(0, 160).Select(i => 1 + i % 7f).ToArray();
        var (y, dx, learned) = Gradients(lsq.Apply, [scale], [.. rows.SelectMany(r => r)], seed, 4, 40);
        var g = 1 / Math.Sqrt((double)size * high);
        for (var row = 0; row < 4; row++)
        {
            for (var group = 0; group < groups; group++)
            {
                var s = 0.6f * start[row * groups + group];
                double ds = 0;
                for (var c = group * size; c < Math.Min(40, (group + 1) * size); c++)
                {
                    var v = rows[row][c] / s;
                    var inside = v >= low && v <= high;
                    Assert.Equal(Math.Clamp(MathF.Round(v), low, high) * s, y[row * 40 + c], 1e-5f);
                    Assert.Equal(inside ? seed[row * 40 + c] : 0, dx[row * 40 + c], 1e-3f);
                    ds += seed[row * 40 + c] * (inside ? Math.Round(v) - v : v < 0 ? low : high);
                }

                Assert.Equal(ds * g, learned[0][row * groups + group], Math.Abs(ds * g) * 1e-3 + 1e-5);
            }
        }

        Assert.Equal(y, lsq.ToIntegers(weight).Dequantize());
    }

    [Fact]
    public void AbsMaxWeights_GradientIsOne_AndValuesAreThoseOfTheIntegers()
    {
        foreach (var format in new[] { new WeightFormat(), new WeightFormat { Bits = 4, Per = Granularity.Group, GroupSize = 32, Symmetric = false } })
        {
            var rows = Data.Normal(3, 4, 40);
            using var weight = Data.Tensor(rows);
            using var quantizer = new AbsMaxWeights(format, Rounding.AwayFromZero);
            var seed = Enumerable.Range(0, 160).Select(i => (float)i).ToArray();
            var (y, dx, _) = Gradients(quantizer.Apply, [], [.. rows.SelectMany(r => r)], seed, 4, 40);
            Assert.Equal(seed, dx);
            var values = RoundToNearest.Quantize(weight, format, Rounding.AwayFromZero).Dequantize();
            for (var i = 0; i < values.Length; i++)
                Assert.Equal(values[i], y[i], 1e-6f);
        }
    }

    [Fact]
    public void MovingAverage_FollowsItsFormula_AndOnlyInTraining()
    {
        using var scope = NewDisposeScope();
        var quantizer = new MovingAverageActivations(Rounding.ToEven);
        Assert.Throws<InvalidOperationException>(() => quantizer.Scale);
        double sum = 0, weight = 0;
        foreach (var largest in new[] { 3f, 1f, 10f, 2f })
        {
            quantizer.Apply(tensor(new[] { 0.1f, -largest }));
            (sum, weight) = (0.9 * sum + largest, 0.9 * weight + 1);
            Assert.Equal((float)(sum / weight / 127), quantizer.Scale!.Value, 1e-7f);
        }

        var before = quantizer.Scale;
        using (no_grad())
            quantizer.Apply(tensor(new[] { 1000f }));
        Assert.Equal(before, quantizer.Scale);
        var (_, dx, _) = Gradients(quantizer.Apply, [], [0.5f, 90, -90], [1, 2, 3]);
        Assert.Equal([1, 0, 0], dx);
    }

    [Fact]
    public void Token_GradientIsOne_AndAskedForByTheFormat()
    {
        using var quantizer = ActivationQuantizer.Create(QatActivations.Pact, new ActivationFormat { Per = ActivationGranularity.Token }, Rounding.ToEven, CPU);
        Assert.Null(quantizer.Scale);
        var (y, dx, _) = Gradients(quantizer.Apply, [], [1, -2, 100, 3], [1, 2, 3, 4], 2, 2);
        Assert.Equal([1, 2, 3, 4], dx);
        Assert.Equal(MathF.Round(1 / (2 / 127f)) * (2 / 127f), y[0]);
    }

    [Fact]
    public void Quantizers_NotFiniteOrWrongFormat_AreRefused()
    {
        using var scope = NewDisposeScope();
        foreach (var kind in Enum.GetValues<QatActivations>())
        {
            using var quantizer = ActivationQuantizer.Create(kind, Static, Rounding.ToEven, CPU);
            Assert.Throws<InvalidInputException>(() => quantizer.Apply(tensor(new[] { 1, float.NaN })));
        }

        Assert.Throws<InvalidInputException>(() => new LsqPlusWeights(ones(2, 2), new WeightFormat { Symmetric = false }, Rounding.ToEven));
    }
}
