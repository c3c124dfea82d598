using Generated;
using Generated.Quant.Observers;
using Generated.Quant.Recipes;
using Quant.Tests.Methods;
using TorchSharp;
using static TorchSharp.torch;

namespace Quant.Tests.Observers;

public sealed class ObserverTests
{
    public static TheoryData<string> Sets() => ["normal", "heavy", "outlier", "one-sided", "negative", "constant", "zero", "tiny", "huge", "single", "mixed"];

    internal static float[] Values(string set)
    {
        var random = new Random(7);
        float[] Draw(Func<float> value) => [.. Enumerable.Range(0, 6000).Select(_ => value())];
        return set switch
        {
            "normal" => Draw(() => Data.Gauss(random)),
            "heavy" => Draw(() => (float)(Math.Exp(2.0 * Data.Gauss(random)) * (random.Next(2) * 2 - 1))),
            "outlier" => [.. Draw(() => Data.Gauss(random)), 90f, -60f],
            "one-sided" => Draw(() => Math.Max(0, Data.Gauss(random))),
            "negative" => Draw(() => -Math.Abs(Data.Gauss(random)) - 0.5f),
            "constant" => Draw(() => 0.37f),
            "zero" => Draw(() => 0),
            "tiny" => Draw(() => 1e-30f * Data.Gauss(random)),
            "huge" => Draw(() => 1e30f * Data.Gauss(random)),
            "single" => [-3f],
            _ => [.. Draw(() => Data.Gauss(random)), .. new float[3000], .. Draw(() => 0.01f * Data.Gauss(random))],
        };
    }

    private static double Threshold(ActivationObserver kind, params float[][] samples)
    {
        using var observer = ThresholdObservers.Create(kind);
        foreach (var sample in samples)
        {
            using var rows = tensor(sample).reshape(-1, 1);
            observer.Add(rows);
        }

        return observer.Threshold();
    }

    [Theory]
    [MemberData(nameof(Sets))]
    public void AbsMaxAndAverage_EqualPlainLoops(string set)
    {
        var values = Values(set);
        var parts = values.Chunk(700).ToArray();
        Assert.Equal(values.Max(Math.Abs), Threshold(ActivationObserver.AbsMax, parts));
        Assert.Equal(parts.Average(part => (double)part.Max(Math.Abs)), Threshold(ActivationObserver.Average, parts), values.Max(Math.Abs) * 1e-12);
    }

    [Theory]
    [MemberData(nameof(Sets))]
    public void Histogram_IsThePercentile_ToABin(string set)
    {
        var values = Values(set);
        var expected = NaiveThreshold.Percentile(values, 0.9999);
        Assert.InRange(Threshold(ActivationObserver.Histogram, [.. values.Chunk(700)]), expected, expected + values.Max(Math.Abs) / 2048.0);
        using var loose = new PercentileObserver(0.9);
        using var rows = tensor(values).reshape(-1, 1);
        loose.Add(rows);
        expected = NaiveThreshold.Percentile(values, 0.9);
        Assert.InRange(loose.Threshold(), expected, expected + values.Max(Math.Abs) / 2048.0);
    }

    [Theory]
    [MemberData(nameof(Sets))]
    public void MseAndEmd_AreTheBestOfTheirGrid(string set)
    {
        var values = Values(set);
        foreach (var kind in new[] { ActivationObserver.Mse, ActivationObserver.Emd })
        {
            var found = Threshold(kind, [.. values.Chunk(700)]);
            if (set == "zero")
            {
                Assert.Equal(0, found);
                continue;
            }

            var best = NaiveThreshold.LeastError(values, kind == ActivationObserver.Mse);
            var largest = values.Max(v => (double)Math.Abs(v));
            Assert.InRange(found, 0.3 * largest * 0.999, largest);
            // The histogram knows values to a bin, 1/16384 of the range: single values of one bin may be rounded the other way.
            var tolerance = kind == ActivationObserver.Mse ? Math.Pow(largest / 16384, 2) : largest / 16384;
            Assert.InRange(NaiveThreshold.Error(values, found, kind == ActivationObserver.Mse), 0, best * 1.02 + tolerance);
        }
    }

    [Theory]
    [MemberData(nameof(Sets))]
    public void Kl_EqualsHistogramsBuiltForEveryCandidate(string set)
    {
        var values = Values(set);
        var found = Threshold(ActivationObserver.Kl, [.. values.Chunk(700)]);
        if (set == "zero")
            Assert.Equal(0, found);
        else
            Assert.Equal(NaiveThreshold.Kl(values), found, values.Max(Math.Abs) * 1e-9);
    }

    [Fact]
    public void EveryObserverButAverage_DoesNotDependOnBatches()
    {
        var values = Values("heavy");
        foreach (var kind in Enum.GetValues<ActivationObserver>().Where(k => k != ActivationObserver.Average))
        {
            var whole = Threshold(kind, values);
            Assert.Equal(whole, Threshold(kind, [.. values.Chunk(13)]));
            Assert.Equal(whole, Threshold(kind, [.. values.Reverse().Chunk(999)]));
        }
    }

    [Fact]
    public void Defect10_LeastError_KeepsTheRangeOfEarlierBatches()
    {
        // One batch with outliers, then ordinary ones: the best threshold is that of all values, not abs-max or the last batch's.
        var random = new Random(1);
        float[] Ordinary() => [.. Enumerable.Range(0, 2000).Select(_ => Data.Gauss(random))];
        var batches = new[] { [.. Ordinary(), 9f], Ordinary(), Ordinary() };
        foreach (var kind in new[] { ActivationObserver.Mse, ActivationObserver.Emd })
        {
            var found = Threshold(kind, batches);
            Assert.True(found < 8.9, "abs-max came back");
            var all = batches.SelectMany(b => b).ToArray();
            Assert.True(NaiveThreshold.Error(all, found, kind == ActivationObserver.Mse) <= 1.02 * NaiveThreshold.LeastError(all, kind == ActivationObserver.Mse));
        }
    }

    [Fact]
    public void Defect10_Emd_TakesMagnitudes()
    {
        var values = Values("negative");
        Assert.Equal(Threshold(ActivationObserver.Emd, [.. values.Select(v => -v)]), Threshold(ActivationObserver.Emd, values));
        Assert.True(Threshold(ActivationObserver.Emd, values) > 0.5);
    }

    [Fact]
    public void Defect11_Kl_ClipsTwoSidedDataAsOneSided()
    {
        var values = Values("outlier");
        var found = Threshold(ActivationObserver.Kl, values);
        Assert.True(found < 30, $"an outlier of 90 leaves {found}");
        Assert.Equal(Threshold(ActivationObserver.Kl, [.. values.Select(Math.Abs)]), found);
    }

    [Fact]
    public void EveryObserver_NotFiniteOrNothing_IsAClearError()
    {
        foreach (var kind in Enum.GetValues<ActivationObserver>())
        {
            foreach (var value in new[] { float.NaN, float.PositiveInfinity, float.NegativeInfinity })
            {
                var error = Assert.Throws<InvalidInputException>(() => Threshold(kind, [1f, 2f], [3f, value]));
                Assert.Contains(float.IsNaN(value) ? "NaN" : "infinity", error.Message, StringComparison.Ordinal);
            }

            Assert.Contains("no calibration tokens", Assert.Throws<InvalidInputException>(() => Threshold(kind)).Message, StringComparison.Ordinal);
            Assert.Contains("no calibration tokens", Assert.Throws<InvalidInputException>(() => Threshold(kind, [[]])).Message, StringComparison.Ordinal);
        }
    }

    [Theory]
    [InlineData(1)] // channels
    [InlineData(4)] // heads
    [InlineData(5)] // groups, the last one shorter
    public void Sections_EachIsThatOfItsChannels(int width)
    {
        var rows = Data.Normal(3, 300, 12, c => 1 + c);
        using var x = Data.Tensor(rows);
        foreach (var kind in Enum.GetValues<ActivationObserver>())
        {
            using var observer = ThresholdObservers.CreateSections(kind, 12, width);
            foreach (var part in x.split(100))
                observer.Add(part);
            var found = observer.Thresholds();
            Assert.Equal((12 + width - 1) / width, found.Length);
            for (var i = 0; i < found.Length; i++)
            {
                using var alone = ThresholdObservers.Create(kind);
                foreach (var part in x.narrow(1, i * width, Math.Min(width, 12 - i * width)).split(100))
                    alone.Add(part);
                Assert.Equal(alone.Threshold(), found[i]);
            }
        }
    }

    /// <summary>Sections of adversarial data, each of another size, against plain loops over a section's values.</summary>
    [Theory]
    [MemberData(nameof(Sets))]
    public void Sections_OfAdversarialData_EqualPlainLoops(string set)
    {
        const int Width = 6, Rows = 240;
        var values = Values(set);
        // Channel c has the set's values times c + 1, and the fourth is all zero beside whatever the others hold.
        var rows = Enumerable.Range(0, Rows).Select(r => Enumerable.Range(0, Width).Select(c => c == 3 ? 0 : values[(r * Width + c) % values.Length] * (c + 1)).ToArray()).ToArray();
        using var x = Data.Tensor(rows);
        foreach (var width in new[] { 1, 2, 4 })
        {
            // Histograms for every candidate are slow in plain loops: divergences are compared in one width.
            foreach (var kind in Enum.GetValues<ActivationObserver>().Where(k => k != ActivationObserver.Kl || width == 4))
            {
                using var observer = ThresholdObservers.CreateSections(kind, Width, width);
                foreach (var part in x.split(80))
                    observer.Add(part);
                var found = observer.Thresholds();
                for (var i = 0; i < found.Length; i++)
                    NaiveThreshold.AssertIs(kind, [.. rows.Chunk(80).Select(part => part.SelectMany(row => row[(i * width)..Math.Min(Width, (i + 1) * width)]).ToArray())], found[i]);
            }
        }
    }

    [Theory]
    [InlineData(float.NaN, "NaN")]
    [InlineData(float.PositiveInfinity, "infinity")]
    [InlineData(float.NegativeInfinity, "infinity")]
    public void Sections_NotFiniteInAnyOfThem_IsAClearError(float value, string word)
    {
        foreach (var kind in Enum.GetValues<ActivationObserver>())
        {
            using var observer = ThresholdObservers.CreateSections(kind, 6, 2);
            using var rows = ones(5, 6);
            observer.Add(rows);
            rows[2, 5] = value;
            Assert.Contains(word, Assert.Throws<InvalidInputException>(() => observer.Add(rows)).Message, StringComparison.Ordinal);
            using var empty = ThresholdObservers.CreateSections(kind, 6, 2);
            Assert.Contains("no calibration tokens", Assert.Throws<InvalidInputException>(empty.Thresholds).Message, StringComparison.Ordinal);
        }
    }
}
