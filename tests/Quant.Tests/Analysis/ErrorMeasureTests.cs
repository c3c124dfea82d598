using Generated.Quant.Analysis;
using Quant.Tests.Methods;
using TorchSharp;
using static TorchSharp.torch;

namespace Quant.Tests.Analysis;

public sealed class ErrorMeasureTests
{
    [Fact]
    public void Measures_OverBatches_EqualPlainFormulas()
    {
        var (a, b) = (Data.Normal(1, 30, 7), Data.Normal(2, 30, 7, _ => 0.1f));
        b = [.. a.Zip(b, (x, y) => x.Zip(y, (v, w) => v + w).ToArray())];
        using var reference = Data.Tensor(a);
        using var actual = Data.Tensor(b);
        var found = new ErrorMeasure();
        for (var i = 0; i < 30; i += 10)
            found.Add(reference.narrow(0, i, 10), actual.narrow(0, i, 10));
        double[] x = [.. a.SelectMany(r => r).Select(v => (double)v)], y = [.. b.SelectMany(r => r).Select(v => (double)v)];
        var noise = x.Zip(y, (v, w) => (v - w) * (v - w)).Sum();
        var signal = x.Sum(v => v * v);
        Assert.Equal(210, found.Count);
        Assert.Equal(noise / 210, found.Mse, 1e-9);
        Assert.Equal(10 * Math.Log10(signal / noise), found.SnrDecibels, 1e-6);
        Assert.Equal(noise / signal, found.Relative, 1e-9);
        Assert.Equal(x.Zip(y, (v, w) => v * w).Sum() / Math.Sqrt(signal * y.Sum(w => w * w)), found.Cosine, 1e-9);
        Assert.Equal(x.Zip(y, (v, w) => Math.Abs(v - w)).Max(), found.MaxAbs, 1e-6);
    }

    [Fact]
    public void Measures_EqualOrZeroValues_AreDefined()
    {
        using var values = ones(3);
        using var nothing = zeros(3);
        Assert.Equal((0, double.PositiveInfinity, 1), Of(values, values));
        Assert.Equal((1, 0, 0), Of(values, nothing));
        Assert.Equal((0, double.PositiveInfinity, 1), Of(nothing, nothing));
        using var other = ones(4);
        Assert.Throws<ArgumentException>(() => new ErrorMeasure().Add(values, other));

        static (double, double, double) Of(Tensor a, Tensor b)
        {
            var measure = new ErrorMeasure().Add(a, b);
            return (measure.Mse, measure.SnrDecibels, Math.Round(measure.Cosine, 12));
        }
    }
}
