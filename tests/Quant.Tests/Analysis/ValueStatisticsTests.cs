using Generated;
using Generated.Layers;
using Generated.Loading;
using Generated.Quant.Analysis;
using Generated.Quant.Calibration;
using Generated.Quant.Layers;
using Generated.Quant.Methods;
using Generated.Quant.Recipes;
using Quant.Tests.Formats;
using Quant.Tests.Methods;
using TorchSharp;
using static TorchSharp.torch;

namespace Quant.Tests.Analysis;

/// <summary>Statistics against plain loops over the same numbers.</summary>
public sealed class ValueStatisticsTests
{
    [Fact]
    public void Add_Batches_EqualsPlainFormulas()
    {
        // A mean far from zero: sums of squares alone would lose the deviation.
        var rows = Data.Normal(5, 40, 9, _ => 0.5f).Select(row => row.Select(v => v + 3000).ToArray()).ToArray();
        using var values = Data.Tensor(rows);
        var statistics = new ValueStatistics();
        foreach (var (start, count) in new[] { (0, 7), (7, 1), (8, 32) })
            statistics.Add(values.narrow(0, start, count), "The values");
        double[] all = [.. rows.SelectMany(row => row).Select(v => (double)v)];
        var mean = all.Average();
        Assert.Equal(360, statistics.Count);
        Assert.Equal(all.Min(), statistics.Min);
        Assert.Equal(all.Max(), statistics.Max);
        Assert.Equal(mean, statistics.Mean, 1e-9);
        Assert.Equal(Math.Sqrt(all.Average(v => (v - mean) * (v - mean))), statistics.Std, 1e-9);
    }

    [Fact]
    public void Summarize_Quartiles_AreThoseOfTheSample()
    {
        var statistics = new ValueStatistics();
        using var values = tensor(new float[] { 9, 1, 3, 7, 5 });
        statistics.Add(values, "The values");
        Assert.Equal((3, 5, 7), Quartiles([9, 1, 3, 7, 5]));
        Assert.Equal((1.75, 2.5, 3.25), Quartiles([4, 3, 2, 1])); // numpy.percentile's linear rule
        Assert.Equal((2, 2, 2), Quartiles([2]));

        (double, double, double) Quartiles(float[] sample)
        {
            var summary = statistics.Summarize(sample);
            return (summary.LowerQuartile, summary.Median, summary.UpperQuartile);
        }
    }

    [Theory]
    [InlineData(float.NaN, "NaN")]
    [InlineData(float.PositiveInfinity, "infinity")]
    public void Add_NotFinite_IsRefused(float value, string word)
    {
        using var values = tensor(new[] { 1, value });
        var refused = Assert.Throws<InvalidInputException>(() => new ValueStatistics().Add(values, "The weights"));
        Assert.Contains(word, refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Inputs_OfAModel_AreThoseOfTheRealTokens()
    {
        System.Runtime.CompilerServices.RuntimeHelpers.RunModuleConstructor(typeof(Generated.Models.Llama).Module.ModuleHandle);
        using var loaded = ModelLoader.Load(Folders.Fixture("llama"), new LoadOptions { Dtype = ScalarType.Float32 });
        int[][] rows = [[1, 5, 9, 33, 7], [1, 8]]; // the second one is padded
        var set = new CalibrationSet(rows, 64);
        Assert.Single(set.Batches);
        const string Site = "LlamaBlock.Mlp.Down";
        var state = new LinearState { Weight = RoundToNearest.Quantize(((DenseLinear)loaded.Model.Linear(Site, 2).Linear).Weight.Value, new WeightFormat(), Rounding.ToEven), Activations = new ActivationFormat(), InputScale = 0.001f };
        using var exact = InputStatistics.Gather(loaded.Model, set, new Dictionary<(int, string), LinearState?> { [(2, Site)] = null }, default);
        using var rounded = InputStatistics.Gather(loaded.Model, set, new Dictionary<(int, string), LinearState?> { [(2, Site)] = state }, default);

        // Each row alone has no padding.
        var plain = rows.SelectMany(row => Alone(loaded, row)).ToArray();
        var found = exact.Of(2, Site);
        Assert.Equal(7 * 160, found.Count);
        Assert.Equal(plain.Min(), found.Min, 1e-5);
        Assert.Equal(plain.Max(), found.Max, 1e-5);
        Assert.Equal(plain.Average(), found.Mean, 1e-6);
        Assert.Equal(plain.Length, found.Sample.Length);
        var codes = plain.Select(v => Math.Clamp(Math.Round(v / 0.001), -128, 127) * 0.001).ToArray();
        Assert.Equal(codes.Min(), rounded.Of(2, Site).Min, 1e-6);
        Assert.Equal(codes.Max(), rounded.Of(2, Site).Max, 1e-6);
        Assert.Equal(codes.Average(), rounded.Of(2, Site).Mean, 1e-5);

        static float[] Alone(LoadedModel loaded, int[] row)
        {
            using var one = InputStatistics.Gather(loaded.Model, new CalibrationSet([row], 64), new Dictionary<(int, string), LinearState?> { [(2, Site)] = null }, default);
            return one.Of(2, Site).Sample;
        }
    }

    [Fact]
    public void Weights_BeforeAndAfter_AreTheMatrixAndWhatItsIntegersStandFor()
    {
        System.Runtime.CompilerServices.RuntimeHelpers.RunModuleConstructor(typeof(Generated.Models.Llama).Module.ModuleHandle);
        using var loaded = ModelLoader.Load(Folders.Fixture("llama"), new LoadOptions { Dtype = ScalarType.Float32 });
        var dense = (DenseLinear)loaded.Model.Linear("LlamaBlock.Mlp.Gate", 0).Linear;
        var codes = RoundToNearest.Quantize(dense.Weight.Value, new WeightFormat { Bits = 4, Per = Granularity.Group, GroupSize = 32, Symmetric = false }, Rounding.ToEven);
        using var quantized = QuantizedLinear.Create(dense, new LinearState { Weight = codes });
        Check(dense.Weight.Value.data<float>().ToArray(), LayerValues.OfWeight(dense));
        Check(codes.Dequantize(), LayerValues.OfWeight(quantized));

        static void Check(float[] plain, ValueSummary found)
        {
            var mean = plain.Average(v => (double)v);
            Assert.Equal(plain.Length, found.Count);
            Assert.Equal(plain.Min(), found.Min, 1e-6);
            Assert.Equal(plain.Max(), found.Max, 1e-6);
            Assert.Equal(mean, found.Mean, 1e-7);
            Assert.Equal(Math.Sqrt(plain.Average(v => (v - mean) * (v - mean))), found.Std, 1e-6);
            Assert.Equal(plain.Order().ElementAt(plain.Length / 2), found.Median, 0.02);
        }
    }
}
