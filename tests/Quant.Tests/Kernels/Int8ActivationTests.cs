using Generated;
using Generated.Kernels;
using Generated.Quant.Kernels;

namespace Quant.Tests.Kernels;

public sealed unsafe class Int8ActivationTests
{
    private static readonly ThreadTeam Team = new(2);
    private static readonly KernelPath[] Paths = [KernelPath.Portable, Cpu.Path];

    private static float[] Multiply(PackedMatrix matrix, KernelPath path, float[] x, float[]? bias, int rows, float? scale)
    {
        var y = new float[rows * matrix.OutWidth];
        fixed (float* px = x, pb = bias, py = y)
            ((PackedInt8Matrix)matrix).MultiplyInt8(path, px, pb, py, rows, scale, Team);
        return y;
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void MultiplyInt8_RandomShapes_IntegerSumsAreExact(bool dynamic)
    {
        var random = new Random(21);
        for (var round = 0; round < 60; round++)
        {
            int rows = 1 + random.Next(5), inWidth = round < 30 ? 1 + round * 3 : random.Next(1, 900), outWidth = 1 + random.Next(30);
            if (round == 59)
                (rows, inWidth, outWidth) = (300, 960, 7); // more activations than one cache block
            var weight = QuantizedWeight.Random(random, 8, outWidth, inWidth, 0, symmetric: true, actOrder: random.Next(3) == 0, halfScales: random.Next(2) == 0);
            var x = Enumerable.Range(0, rows * inWidth).Select(_ => (random.NextSingle() - 0.5f) * 9).ToArray();
            var bias = random.Next(2) == 0 ? null : Enumerable.Range(0, outWidth).Select(_ => random.NextSingle()).ToArray();
            using var matrix = weight.Pack();
            foreach (var path in Paths)
            {
                var y = Multiply(matrix, path, x, bias, rows, dynamic ? null : 0.02f); // 0.02 · 127 clips some
                for (var row = 0; row < rows; row++)
                {
                    var values = x[(row * inWidth)..((row + 1) * inWidth)];
                    var scale = dynamic ? values.Max(Math.Abs) / 127f : 0.02f;
                    for (var output = 0; output < outWidth; output++)
                    {
                        long sum = 0;
                        for (var k = 0; k < inWidth; k++)
                            sum += weight.Codes[output * inWidth + k] * (long)Math.Clamp(Math.Round((double)(values[k] / scale)), -128, 127);
                        var expected = sum * (weight.Scales[output] * scale) + (bias?[output] ?? 0);
                        Assert.True(expected == y[row * outWidth + output], $"{path} round {round}: {y[row * outWidth + output]} for {expected}");
                    }
                }
            }
        }
    }

    [Fact]
    public void MultiplyInt8_LargestSum_DoesNotOverflow()
    {
        const int inWidth = 100_000;
        var weight = QuantizedWeight.Random(new Random(1), 8, 2, inWidth, 0, symmetric: true);
        Array.Fill(weight.Codes, -128);
        Array.Fill(weight.Scales, 1);
        using var matrix = weight.Pack();
        var x = Enumerable.Repeat(-1e9f, inWidth).ToArray(); // clipped to −128
        foreach (var path in Paths)
            Assert.All(Multiply(matrix, path, x, null, 1, 1), value => Assert.Equal(128f * 128 * inWidth, value));
    }

    [Fact]
    public void MultiplyInt8_NonFiniteActivation_MakesItsRowNaN()
    {
        using var matrix = QuantizedWeight.Random(new Random(3), 8, 7, 70, 0, symmetric: true).Pack();
        foreach (var value in new[] { float.NaN, float.PositiveInfinity, float.NegativeInfinity })
        {
            foreach (var scale in new float?[] { null, 0.1f })
            {
                var x = Enumerable.Repeat(0.5f, 210).ToArray();
                x[70] = value;
                foreach (var path in Paths)
                {
                    var y = Multiply(matrix, path, x, null, 3, scale);
                    Assert.All(y[7..14], output => Assert.True(float.IsNaN(output)));
                    Assert.All(y[..7].Concat(y[14..]), output => Assert.True(float.IsFinite(output)));
                }
            }
        }
    }

    [Fact]
    public void MultiplyInt8_ZeroRow_GivesTheBias()
    {
        using var matrix = QuantizedWeight.Random(new Random(3), 8, 3, 70, 0, symmetric: true).Pack();
        Assert.Equal([1f, 2, 3], Multiply(matrix, Cpu.Path, new float[70], [1, 2, 3], 1, null));
    }

    [Fact]
    public void MultiplyInt8_WrongWeightOrScale_IsRefused()
    {
        using var grouped = QuantizedWeight.Random(new Random(3), 8, 3, 70, 32, symmetric: true).Pack();
        using var shifted = QuantizedWeight.Random(new Random(3), 8, 3, 70, 0, symmetric: false).Pack();
        using var good = QuantizedWeight.Random(new Random(3), 8, 3, 70, 0, symmetric: true).Pack();
        Assert.Throws<InvalidOperationException>(() => Multiply(grouped, Cpu.Path, new float[70], null, 1, null));
        Assert.Throws<InvalidOperationException>(() => Multiply(shifted, Cpu.Path, new float[70], null, 1, null));
        foreach (var scale in new[] { 0, -1, float.NaN, float.PositiveInfinity })
            Assert.Throws<InvalidInputException>(() => Multiply(good, Cpu.Path, new float[70], null, 1, scale));
    }
}
