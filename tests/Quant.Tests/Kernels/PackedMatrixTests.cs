using Generated;
using Generated.Kernels;
using Generated.Quant.Kernels;

namespace Quant.Tests.Kernels;

public sealed unsafe class PackedMatrixTests
{
    private static readonly ThreadTeam Team = new(2);
    private static readonly KernelPath[] Paths = [KernelPath.Portable, Cpu.Path];

    [Theory]
    [InlineData(8)]
    [InlineData(4)]
    public void Multiply_RandomShapes_WithinDocumentedBound(int bits)
    {
        var random = new Random(11 + bits);
        int[] groupSizes = [0, 32, 64, 96, 128, 256, 384, 512, 1056];
        for (var round = 0; round < 120; round++)
        {
            int rows = 1 + random.Next(12), inWidth = round < 40 ? 1 + round : random.Next(1, 900), outWidth = 1 + random.Next(40);
            if (round >= 117)
                (rows, inWidth, outWidth) = (400, 960, 7); // more activations than are made into integers at a time, and than a cache holds
            var weight = QuantizedWeight.Random(random, bits, outWidth, inWidth, groupSizes[random.Next(groupSizes.Length)],
                random.Next(2) == 0, random.Next(3) == 0, random.Next(2) == 0);
            var x = Activations(random, rows * inWidth);
            var bias = random.Next(2) == 0 ? null : Activations(random, outWidth);
            using var matrix = weight.Pack();
            foreach (var path in Paths)
            {
                var y = QuantizedWeight.Multiply(matrix, path, x, bias, rows, Team);
                for (var row = 0; row < rows; row++)
                    AssertRow(weight, x.AsSpan(row * inWidth, inWidth), bias, y.AsSpan(row * outWidth, outWidth), $"{path} round {round}: {rows} × {inWidth} → {outWidth}, group {weight.GroupSize}");
            }
        }
    }

    /// <summary>|Δy| ≤ Σ_k 2⁻¹⁶ · (largest |x| of 256 neighbours in packed order, at most of the row) · |w_k|, plus float32 rounding of the terms.</summary>
    private static void AssertRow(QuantizedWeight weight, ReadOnlySpan<float> x, float[]? bias, ReadOnlySpan<float> y, string where)
    {
        var largest = new double[weight.Groups]; // of the weight's group: an upper bound of the activation group's
        for (var k = 0; k < weight.In; k++)
            largest[weight.GroupOf[k]] = Math.Max(largest[weight.GroupOf[k]], Math.Abs(x[k]));
        for (var output = 0; output < weight.Out; output++)
        {
            double sum = bias?[output] ?? 0, bound = Math.Abs(sum) * 1e-6;
            for (var k = 0; k < weight.In; k++)
            {
                var w = weight.Value(output, k);
                sum += w * x[k];
                bound += Math.ScaleB(largest[weight.GroupOf[k]], -16) * Math.Abs(w);
                bound += 1e-6 * weight.ScaleOf(output, k) * (Math.Abs(weight.Codes[output * weight.In + k]) + Math.Abs(weight.Zero(output, k))) * Math.Abs(x[k]);
            }
            Assert.True(Math.Abs(y[output] - sum) <= bound + 1e-25, $"{where}: {y[output]} for {sum} at {output}, bound {bound}");
        }
    }

    [Theory]
    [InlineData(8, 0)]
    [InlineData(8, 128)]
    [InlineData(4, 128)]
    [InlineData(4, 32)]
    public void Multiply_LifelikeActivations_ErrorFarBelowThatOfTheWeights(int bits, int groupSize)
    {
        // Rounding a weight to 8 bits costs about 10⁻² of |y|. Outliers: a few channels 100 times larger, as in trained models.
        foreach (var (outlier, limit) in new[] { (1, 3e-5), (100, 2e-4) })
        {
            var random = new Random(5);
            const int inWidth = 2048, outWidth = 64;
            var weight = QuantizedWeight.Random(random, bits, outWidth, inWidth, groupSize, symmetric: true);
            var x = Enumerable.Range(0, inWidth).Select(k => Normal(random) * (k % 401 == 7 ? outlier : 1)).ToArray();
            using var matrix = weight.Pack();
            foreach (var path in Paths)
            {
                var y = QuantizedWeight.Multiply(matrix, path, x, null, 1, Team);
                double error = 0, power = 0;
                for (var output = 0; output < outWidth; output++)
                {
                    var exact = Enumerable.Range(0, inWidth).Sum(k => weight.Value(output, k) * x[k]);
                    error += Math.Pow(y[output] - exact, 2);
                    power += exact * exact;
                }
                Assert.True(Math.Sqrt(error / power) < limit, $"{path} outliers × {outlier}: relative error {Math.Sqrt(error / power)}");
            }
        }
    }

    [Theory]
    [InlineData(8)]
    [InlineData(4)]
    public void Multiply_ExtremeCodesAndActivations_DoNotOverflow(int bits)
    {
        foreach (var groupSize in new[] { 0, 32, 256 })
        {
            const int inWidth = 20_000, outWidth = 3;
            var weight = QuantizedWeight.Random(new Random(1), bits, outWidth, inWidth, groupSize, symmetric: true);
            Array.Fill(weight.Codes, bits == 8 ? -128 : 15);
            Array.Fill(weight.Scales, 1);
            using var matrix = weight.Pack();
            var x = Enumerable.Repeat(-3e30f, inWidth).ToArray();
            var expected = (bits == 8 ? 128f : -7f) * 3e30f * inWidth;
            foreach (var path in Paths)
            {
                foreach (var value in QuantizedWeight.Multiply(matrix, path, x, null, 1, Team))
                    Assert.True(MathF.Abs(value / expected - 1) < 1e-5, $"{path} {groupSize}: {value}");
            }
        }
    }

    [Theory]
    [InlineData(8, 0, false)]
    [InlineData(8, 128, false)]
    [InlineData(8, 512, true)]
    [InlineData(4, 0, false)]
    [InlineData(4, 32, true)]
    [InlineData(4, 128, false)]
    [InlineData(4, 512, false)]
    public void Multiply_Output_DependsNeitherOnBatchNorOnThreads(int bits, int groupSize, bool symmetric)
    {
        var random = new Random(2);
        const int rows = 9, inWidth = 700, outWidth = 301;
        using var matrix = QuantizedWeight.Random(random, bits, outWidth, inWidth, groupSize, symmetric).Pack();
        var x = Activations(random, rows * inWidth);
        using var four = new ThreadTeam(4);
        using var alone = new ThreadTeam(1);
        foreach (var path in Paths)
        {
            var batch = QuantizedWeight.Multiply(matrix, path, x, null, rows, four);
            for (var row = 0; row < rows; row++)
                Assert.Equal(QuantizedWeight.Multiply(matrix, path, x[(row * inWidth)..((row + 1) * inWidth)], null, 1, alone), batch[(row * outWidth)..((row + 1) * outWidth)]);
        }
    }

    [Theory]
    [InlineData(float.NaN)]
    [InlineData(float.PositiveInfinity)]
    [InlineData(float.NegativeInfinity)]
    public void Multiply_NonFiniteActivation_MakesItsRowNaN(float value)
    {
        foreach (var bits in new[] { 8, 4 })
        {
            using var matrix = QuantizedWeight.Random(new Random(3), bits, 9, 172, 64, symmetric: false).Pack();
            var x = Activations(new Random(4), 3 * 172);
            x[172 + 171] = value;
            foreach (var path in Paths)
            {
                var y = QuantizedWeight.Multiply(matrix, path, x, null, 3, Team);
                Assert.All(y[9..18], output => Assert.True(float.IsNaN(output)));
                Assert.All(y[..9].Concat(y[18..]), output => Assert.True(float.IsFinite(output)));
            }
        }
    }

    [Theory]
    [InlineData(8)]
    [InlineData(4)]
    public void Multiply_ZeroAndTinyActivations_GiveTheBias(int bits)
    {
        using var matrix = QuantizedWeight.Random(new Random(3), bits, 5, 172, 64, symmetric: false).Pack();
        var bias = Activations(new Random(6), 5);
        foreach (var path in Paths)
        {
            Assert.Equal(bias, QuantizedWeight.Multiply(matrix, path, new float[172], bias, 1, Team));
            Assert.Equal(bias, QuantizedWeight.Multiply(matrix, path, Enumerable.Repeat(float.Epsilon, 172).ToArray(), bias, 1, Team));
        }
    }

    [Theory]
    [InlineData(8)]
    [InlineData(4)]
    public void Dequantize_EveryElement_IsCodeMinusZeroTimesScale(int bits)
    {
        var random = new Random(9);
        foreach (var (inWidth, groupSize, actOrder) in new[] { (172, 32, false), (172, 32, true), (256, 128, true), (45, 0, false), (1000, 96, true), (300, 0, true) })
        {
            foreach (var symmetric in new[] { true, false })
            {
                const int outWidth = 37;
                var weight = QuantizedWeight.Random(random, bits, outWidth, inWidth, groupSize, symmetric, actOrder, halfScales: !symmetric);
                using var matrix = weight.Pack();
                var values = new float[20 * inWidth];
                fixed (float* pointer = values)
                    matrix.Dequantize(pointer, 7, 20, Team);
                for (var i = 0; i < values.Length; i++)
                    Assert.Equal((float)weight.Value(7 + i / inWidth, i % inWidth), values[i]);
            }
        }
    }

    [Fact]
    public void UnpackCodes_ReturnsWhatWasPacked()
    {
        var random = new Random(10);
        foreach (var (inWidth, groupSize) in new[] { (172, 32), (172, 0), (33, 32), (1, 0), (512, 128) })
        {
            foreach (var actOrder in new[] { false, true })
            {
                var eight = QuantizedWeight.Random(random, 8, 6, inWidth, groupSize, false, actOrder);
                var four = QuantizedWeight.Random(random, 4, 6, inWidth, groupSize, false, actOrder);
                using var int8 = (PackedInt8Matrix)eight.Pack();
                using var int4 = (PackedInt4Matrix)four.Pack();
                var signed = new sbyte[inWidth];
                var unsigned = new byte[inWidth];
                for (var output = 0; output < 6; output++)
                {
                    int8.UnpackCodes(output, signed);
                    int4.UnpackCodes(output, unsigned);
                    Assert.Equal(eight.Codes[(output * inWidth)..((output + 1) * inWidth)], signed.Select(code => (int)code));
                    Assert.Equal(four.Codes[(output * inWidth)..((output + 1) * inWidth)], unsigned.Select(code => (int)code));
                }
            }
        }
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void FromPacked_OfPacked_MultipliesAlike(bool actOrder)
    {
        var random = new Random(12);
        var eight = QuantizedWeight.Random(random, 8, 6, 172, 64, false, actOrder);
        var four = QuantizedWeight.Random(random, 4, 6, 172, 64, false, actOrder);
        using PackedMatrix int8 = eight.Pack(), int4 = four.Pack();
        var index = actOrder ? eight.GroupOf : [];
        using var again8 = PackedInt8Matrix.FromPacked(6, 172, int8.Packed, eight.Scales, 64, eight.Zeros!.Select(zero => (short)zero).ToArray(), index);
        using var again4 = PackedInt4Matrix.FromPacked(6, 172, int4.Packed, four.Scales, 64, four.Zeros!.Select(zero => (byte)zero).ToArray(), actOrder ? four.GroupOf : []);
        var x = Activations(random, 172);
        Assert.Equal(QuantizedWeight.Multiply(int8, Cpu.Path, x, null, 1, Team), QuantizedWeight.Multiply(again8, Cpu.Path, x, null, 1, Team));
        Assert.Equal(QuantizedWeight.Multiply(int4, Cpu.Path, x, null, 1, Team), QuantizedWeight.Multiply(again4, Cpu.Path, x, null, 1, Team));
        Assert.Contains("its sizes ask for", Assert.Throws<InvalidInputException>(() => PackedInt4Matrix.FromPacked(6, 172, new byte[5], four.Scales, 64)).Message);
    }

    [Fact]
    public void PackedBlock_HoldsColumnsJAndJPlus16InByteJ()
    {
        var codes = Enumerable.Range(0, 32).Select(k => (byte)(k % 16 ^ (k / 16 * 15))).ToArray();
        using var matrix = new PackedInt4Matrix(1, 32, codes, [1], 0);
        Assert.Equal(Enumerable.Range(0, 16).Select(j => (byte)(codes[j] | codes[j + 16] << 4)), matrix.Packed.ToArray());
    }

    [Fact]
    public void Bytes_AreThoseOfTheBits()
    {
        const int outWidth = 512, inWidth = 2048, elements = outWidth * inWidth;
        using var int4 = QuantizedWeight.Random(new Random(1), 4, outWidth, inWidth, 128, symmetric: false).Pack();
        using var int8 = QuantizedWeight.Random(new Random(1), 8, outWidth, inWidth, 0, symmetric: true).Pack();
        Assert.InRange(int4.Bytes, elements / 2, elements * (4 + 24.0 / 128) / 8 + 1024); // 4 bits, and 16 + 8 bits per group
        Assert.InRange(int8.Bytes, elements, elements + outWidth * 2 + 1024);
    }

    [Fact]
    public void Construct_ContradictingInput_IsRefusedWithItsReason()
    {
        var codes = new sbyte[4 * 64];
        Assert.Contains("multiple of 32", Assert.Throws<InvalidInputException>(() => new PackedInt8Matrix(4, 64, codes, new float[8], 48)).Message);
        Assert.Contains("needs one per element", Assert.Throws<InvalidInputException>(() => new PackedInt8Matrix(4, 63, codes, new float[4])).Message);
        Assert.Contains("needs 8", Assert.Throws<InvalidInputException>(() => new PackedInt8Matrix(4, 64, codes, new float[4], 32)).Message);
        Assert.Contains("zero points", Assert.Throws<InvalidInputException>(() => new PackedInt8Matrix(4, 64, codes, new float[4], 0, new short[3])).Message);
        Assert.Contains("NaN", Assert.Throws<InvalidInputException>(() => new PackedInt8Matrix(4, 64, codes, [1, 1, float.NaN, 1])).Message);
        Assert.Contains("above 15", Assert.Throws<InvalidInputException>(() => new PackedInt4Matrix(1, 2, [15, 16], [1], 0)).Message);
        Assert.Contains("there are 2", Assert.Throws<InvalidInputException>(() => new PackedInt4Matrix(1, 64, new byte[64], [1, 1], 32, groupIndex: Enumerable.Repeat(2, 64).ToArray())).Message);
        Assert.Contains("more columns", Assert.Throws<InvalidInputException>(() => new PackedInt4Matrix(1, 64, new byte[64], [1, 1], 32, groupIndex: new int[64])).Message);
        Assert.Contains("one per column", Assert.Throws<InvalidInputException>(() => new PackedInt4Matrix(1, 64, new byte[64], [1, 1], 32, groupIndex: new int[3])).Message);
        Assert.Throws<ArgumentOutOfRangeException>(() => new PackedInt8Matrix(1, 0, [], [1]));
    }

    [Fact]
    public void Use_AfterDispose_IsRefused()
    {
        var matrix = QuantizedWeight.Random(new Random(1), 4, 3, 40, 32, symmetric: true).Pack();
        matrix.Dispose();
        matrix.Dispose();
        Assert.Throws<ObjectDisposedException>(() => QuantizedWeight.Multiply(matrix, Cpu.Path, new float[40], null, 1, Team));
    }

    private static float Normal(Random random) => (float)(Math.Sqrt(-2 * Math.Log(1 - random.NextDouble())) * Math.Cos(2 * Math.PI * random.NextDouble()));

    private static float[] Activations(Random random, int count)
    {
        var scale = MathF.Pow(10, random.Next(-12, 8));
        return Enumerable.Range(0, count).Select(_ => Normal(random) * scale * (random.Next(60) == 0 ? 1000 : 1)).ToArray();
    }
}
