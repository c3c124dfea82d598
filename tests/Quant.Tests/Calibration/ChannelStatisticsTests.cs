using Generated;
using Generated.Quant.Calibration;
using Quant.Tests.Methods;
using Quant.Tests.Observers;
using TorchSharp;
using static TorchSharp.torch;

namespace Quant.Tests.Calibration;

public sealed class ChannelStatisticsTests
{
    private static ChannelStatistics Batched(float[][] rows, int size)
    {
        var result = new ChannelStatistics(rows[0].Length);
        foreach (var batch in rows.Chunk(size))
        {
            using var part = Data.Tensor(batch);
            result.Add(part);
        }

        return result;
    }

    private static void AssertEqual(ChannelStatistics expected, ChannelStatistics found, double tolerance)
    {
        Assert.Equal(expected.Tokens, found.Tokens);
        for (var c = 0; c < expected.Width; c++)
        {
            Assert.Equal(expected.Min[c], found.Min[c], tolerance);
            Assert.Equal(expected.Max[c], found.Max[c], tolerance);
            Assert.Equal(expected.AbsMax[c], found.AbsMax[c], tolerance);
            Assert.Equal(expected.Mean[c], found.Mean[c], tolerance);
        }
    }

    [Theory]
    [InlineData(1)]
    [InlineData(37)]
    [InlineData(500)]
    public void Defect04_Add_ReducesTokensAndKeepsChannels(int batch)
    {
        var rows = Data.Activations(1, 500, 5);
        var found = Batched(rows, batch);
        Assert.Equal((5, 500), (found.Width, found.Tokens));
        for (var c = 0; c < 5; c++)
        {
            Assert.Equal(rows.Min(r => r[c]), found.Min[c]);
            Assert.Equal(rows.Max(r => r[c]), found.Max[c]);
            Assert.Equal(rows.Max(r => Math.Abs(r[c])), found.AbsMax[c]);
            Assert.Equal(rows.Average(r => (double)r[c]), found.Mean[c], 1e-6);
            Assert.Equal(rows.Average(r => (double)Math.Abs(r[c])), found.AbsMean[c], 1e-5);
        }

        Assert.Equal(found.AbsMax.Max(), found.TensorAbsMax);
    }

    /// <summary>Both samplers on the observers' adversarial data: every batch (multi-step), and the bias-corrected moving average of batch means (EMA).</summary>
    [Theory]
    [MemberData(nameof(ObserverTests.Sets), MemberType = typeof(ObserverTests))]
    public void MultiStepAndEma_OfAdversarialData_EqualPlainLoops(string set)
    {
        const int Width = 4, Size = 37;
        var values = ObserverTests.Values(set);
        var rows = Enumerable.Range(0, 200).Select(r => Enumerable.Range(0, Width).Select(c => c == 2 ? 0 : values[(r * Width + c) % values.Length] * (c + 1)).ToArray()).ToArray();
        var found = Batched(rows, Size);
        for (var c = 0; c < Width; c++)
        {
            var channel = rows.Select(r => (double)r[c]).ToArray();
            var largest = channel.Max(Math.Abs);
            Assert.Equal(channel.Min(), found.Min[c]);
            Assert.Equal(channel.Max(), found.Max[c]);
            Assert.Equal(largest, found.AbsMax[c]);
            Assert.Equal(channel.Average(), found.Mean[c], largest * 1e-6);
            Assert.Equal(channel.Average(Math.Abs), found.AbsMean[c], largest * 1e-6);
            // Weights 0.98^(n − 1 − i) of n batches, divided by their sum.
            var means = channel.Chunk(Size).Select(batch => batch.Average()).Reverse().ToArray();
            var weights = means.Select((_, i) => Math.Pow(0.98, i)).ToArray();
            Assert.Equal(means.Zip(weights, (m, w) => m * w).Sum() / weights.Sum(), found.Ema[c], largest * 1e-6);
        }

        Assert.Equal(0, found.AbsMax[2]);
        Assert.Equal(0, found.Ema[2]);
    }

    [Fact]
    public void Add_OneRow_IsOneToken()
    {
        using var row = tensor(new float[] { 1, -2, 3 }).reshape(1, 3);
        var found = Data.Statistics(row);
        Assert.Equal([1, -2, 3], found.Mean);
        Assert.Throws<ArgumentException>(() => found.Add(row.reshape(3)));
        Assert.Throws<ArgumentException>(() => found.Add(row.reshape(3, 1)));
    }

    [Fact]
    public void ShiftedAndDivided_EqualMeasuredAgain()
    {
        var rows = Data.Activations(2, 200, 6);
        float[] offsets = [1, -2, 0, 30, 0.5f, 7], scales = [0.1f, 1, 3, 100, 2, 0.5f];
        var statistics = Batched(rows, 50);
        AssertEqual(Batched([.. rows.Select(r => r.Select((v, c) => v - offsets[c]).ToArray())], 50), statistics.Shifted(offsets), 1e-4);
        var divided = Batched([.. rows.Select(r => r.Select((v, c) => v / scales[c]).ToArray())], 50);
        AssertEqual(divided, statistics.Divided(scales), 1e-3);
        for (var c = 0; c < 6; c++)
        {
            Assert.Equal(divided.AbsMean[c], statistics.Divided(scales).AbsMean[c], 1e-3);
            Assert.Equal(divided.Ema[c], statistics.Divided(scales).Ema[c], 1e-3);
            Assert.Equal(statistics.Ema[c] - offsets[c], statistics.Shifted(offsets).Ema[c], 1e-4);
        }

        Assert.Throws<InvalidOperationException>(() => statistics.Shifted(offsets).AbsMean);
        Assert.Throws<ArgumentException>(() => statistics.Divided([1, 1, 0, 1, 1, 1]));
    }

    [Fact]
    public void WriteAndRead_GiveTheSame_AndGoOn()
    {
        var rows = Data.Activations(3, 100, 4);
        var (first, whole) = (Batched(rows[..60], 20), Batched(rows, 20));
        using var stream = new MemoryStream();
        using var writer = new BinaryWriter(stream);
        first.Write(writer);
        stream.Position = 0;
        var found = ChannelStatistics.Read(new BinaryReader(stream));
        foreach (var batch in rows[60..].Chunk(20))
        {
            using var part = Data.Tensor(batch);
            found.Add(part);
        }

        AssertEqual(whole, found, 0);
        Assert.Equal(whole.Ema, found.Ema);
        Assert.Equal(whole.AbsMean, found.AbsMean);

        for (var length = 0; length < stream.Length; length += 7)
            Assert.Throws<InvalidInputException>(() => ChannelStatistics.Read(new BinaryReader(new MemoryStream(stream.ToArray()[..length]))));
        var damaged = stream.ToArray();
        damaged[7] = 0x7f;
        Assert.Throws<InvalidInputException>(() => ChannelStatistics.Read(new BinaryReader(new MemoryStream(damaged))));
    }

    [Theory]
    [InlineData(float.NaN, "NaN")]
    [InlineData(float.PositiveInfinity, "infinity")]
    [InlineData(float.NegativeInfinity, "infinity")]
    public void Add_NotFinite_IsRefusedWithItsChannel(float value, string word)
    {
        using var rows = zeros(3, 4);
        rows[1, 2] = value;
        var error = Assert.Throws<InvalidInputException>(() => new ChannelStatistics(4).Add(rows));
        Assert.Contains($"{word} (channel 2", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void NoTokens_IsAClearError() =>
        Assert.Contains("no calibration tokens", Assert.Throws<InvalidInputException>(() => new ChannelStatistics(4).AbsMax).Message, StringComparison.Ordinal);

    [Fact]
    public void Defect01_RowSample_SpreadsOverEveryBatch()
    {
        var rows = Enumerable.Range(0, 1000).Select(i => new[] { (float)i, -i }).ToArray();
        foreach (var batch in new[] { 1, 7, 64, 1000 })
        {
            using var sample = new RowSample(2, 100);
            foreach (var part in rows.Chunk(batch))
            {
                using var values = Data.Tensor(part);
                sample.Add(values);
            }

            using var found = sample.ToTensor();
            Assert.Equal(16, sample.Stride);
            Assert.Equal(Enumerable.Range(0, 63).Select(i => 16f * i), Data.Rows(found).Select(r => r[0]));
        }
    }
}
