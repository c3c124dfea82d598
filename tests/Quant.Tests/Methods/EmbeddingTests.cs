using Generated;
using Generated.Quant.Layers;
using Generated.Quant.Methods;
using Generated.Quant.Recipes;
using TorchSharp;
using static TorchSharp.torch;

namespace Quant.Tests.Methods;

public sealed class EmbeddingTests
{
    [Theory]
    [InlineData(8)]
    [InlineData(16)]
    public void Quantize_AbsMax_EqualsPlainLoops(int bits)
    {
        var rows = Data.Normal(1, 5000, 7);
        rows[3] = new float[7];
        using var weight = Data.Tensor(rows);
        var found = EmbeddingQuantizer.Quantize(new TensorRows(weight), new EmbeddingFormat { Bits = bits }, Rounding.ToEven);
        var limit = bits == 8 ? 127 : 32767;
        for (var row = 0; row < 5000; row++)
        {
            var scale = row == 3 ? 1 : rows[row].Max(Math.Abs) / limit;
            Assert.Equal(scale, found.Scales[row]);
            for (var c = 0; c < 7; c++)
                Assert.Equal((short)Math.Clamp(MathF.Round(rows[row][c] / scale), -limit, limit), found.Codes[row * 7 + c]);
        }
    }

    [Theory]
    [InlineData(8, 8)]
    [InlineData(16, 2048)]
    public void Quantize_Log_ErrorIsRelativeToEachValue(int bits, int stepsPerOctave)
    {
        var random = new Random(1);
        var rows = Enumerable.Range(0, 40).Select(_ => Enumerable.Range(0, 9).Select(_ => (float)((random.Next(2) * 2 - 1) * Math.Exp(random.NextDouble() * 8))).ToArray()).ToArray();
        rows[0] = [1, -1, 0, 1e-9f, 0.5f, -0.25f, 1e-4f, 0, 1];
        using var weight = Data.Tensor(rows);
        var found = EmbeddingQuantizer.Quantize(new TensorRows(weight), new EmbeddingFormat { Bits = bits, Spacing = EmbeddingSpacing.Log }, Rounding.ToEven);
        var values = found.Codes.Select((code, i) => Value(code, found.Scales[i / 9], stepsPerOctave)).ToArray();
        Assert.Equal(values, EmbeddingQuantizer.Dequantize(found));
        Assert.Equal([1, -1, 0, 0, 0.5f, -0.25f], values[..6]);
        Assert.Equal((1, -1), (found.Codes[0], found.Codes[1]));
        var bound = Math.Pow(2, 0.5 / stepsPerOctave) - 1;
        for (var row = 0; row < 40; row++)
            for (var c = 0; c < 9; c++)
                if (Math.Abs(rows[row][c]) > rows[row].Max(Math.Abs) * 1e-4)
                    Assert.InRange(Math.Abs(values[row * 9 + c] / rows[row][c] - 1), 0, bound * 1.001);
    }

    [Fact]
    public void Quantize_NotFiniteOrOtherBits_IsRefused()
    {
        using var weight = zeros(3, 3);
        Assert.Throws<InvalidInputException>(() => EmbeddingQuantizer.Quantize(new TensorRows(weight), new EmbeddingFormat { Bits = 4 }, Rounding.ToEven));
        weight[1, 1] = float.PositiveInfinity;
        Assert.Throws<InvalidInputException>(() => EmbeddingQuantizer.Quantize(new TensorRows(weight), new EmbeddingFormat(), Rounding.ToEven));
    }

    private static float Value(short code, float scale, int stepsPerOctave) =>
        code == 0 ? 0 : (float)(Math.Sign(code) * scale * Math.Pow(2, -(Math.Abs((int)code) - 1.0) / stepsPerOctave));
}
