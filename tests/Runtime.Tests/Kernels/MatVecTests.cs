using Generated.Kernels;

namespace Runtime.Tests.Kernels;

public sealed unsafe class MatVecTests
{
    private static readonly ThreadTeam Team = new(2);

    public static TheoryData<WeightFormat> Formats => [WeightFormat.Float32, WeightFormat.BFloat16, WeightFormat.Float16];

    private static float[] Multiply(KernelPath path, WeightFormat format, byte[] weights, float[] x, float[]? bias, int rows, int inWidth, int outWidth, ThreadTeam team)
    {
        using var w = new NativeArray<byte>(weights);
        using var input = new NativeArray<float>(x);
        using var b = new NativeArray<float>(bias ?? []);
        using var y = new NativeArray<float>(rows * outWidth);
        MatVec.Multiply(path, format, w.Pointer, input.Pointer, bias is null ? null : b.Pointer, y.Pointer, rows, inWidth, outWidth, team);
        y.AssertGuardsIntact();
        return y.Span.ToArray();
    }

    [Theory]
    [MemberData(nameof(Formats))]
    public void Multiply_RandomShapes_EqualsDoubleReference(WeightFormat format)
    {
        var random = new Random(7);
        for (var round = 0; round < 80; round++)
        {
            int rows = 1 + random.Next(9), inWidth = round < 40 ? round : random.Next(1, 700), outWidth = 1 + random.Next(90);
            var scale = MathF.Pow(10, random.Next(-4, 4));
            var (stored, w) = StoredWeights.Of(format, StoredWeights.Values(random, outWidth * inWidth, scale));
            var x = StoredWeights.Values(random, rows * inWidth, 1 / scale);
            var bias = random.Next(2) == 0 ? null : StoredWeights.Values(random, outWidth, 1);
            foreach (var path in new[] { KernelPath.Portable, Cpu.Path })
            {
                var y = Multiply(path, format, stored, x, bias, rows, inWidth, outWidth, Team);
                StoredWeights.AssertProduct(w, x, bias, y, rows, inWidth, outWidth, $"{path} {format}");
            }
        }
    }

    [Theory]
    [MemberData(nameof(Formats))]
    public void Multiply_Output_DependsNeitherOnBatchNorOnThreads(WeightFormat format)
    {
        var random = new Random(8);
        const int rows = 5, inWidth = 333, outWidth = 517; // large enough to be shared out
        var (stored, _) = StoredWeights.Of(format, StoredWeights.Values(random, outWidth * inWidth, 1));
        var x = StoredWeights.Values(random, rows * inWidth, 1);
        using var four = new ThreadTeam(4);
        using var alone = new ThreadTeam(1);
        foreach (var path in new[] { KernelPath.Portable, Cpu.Path })
        {
            var batch = Multiply(path, format, stored, x, null, rows, inWidth, outWidth, four);
            for (var row = 0; row < rows; row++)
            {
                var single = Multiply(path, format, stored, x[(row * inWidth)..((row + 1) * inWidth)], null, 1, inWidth, outWidth, alone);
                Assert.Equal(single, batch[(row * outWidth)..((row + 1) * outWidth)]);
            }
        }
    }

    [Theory]
    [MemberData(nameof(Formats))]
    public void Multiply_EveryStoredValue_IsWidenedExactly(WeightFormat format)
    {
        // One weight per output and x = 1: y is the widened weight itself. All 65,536 patterns of the 16-bit formats.
        var stored = new byte[65536 * (format == WeightFormat.Float32 ? 4 : 2)];
        var expected = new float[65536];
        for (var i = 0; i < 65536; i++)
        {
            expected[i] = format switch
            {
                WeightFormat.Float32 => BitConverter.Int32BitsToSingle(i * 65521),
                WeightFormat.BFloat16 => BitConverter.Int32BitsToSingle(i << 16),
                _ => (float)BitConverter.Int16BitsToHalf((short)i),
            };
            if (format == WeightFormat.Float32)
                BitConverter.TryWriteBytes(stored.AsSpan(4 * i), expected[i]);
            else
                BitConverter.TryWriteBytes(stored.AsSpan(2 * i), (short)i);
        }
        foreach (var path in new[] { KernelPath.Portable, Cpu.Path })
        {
            foreach (var width in new[] { 1, 32 }) // the tail's conversion and the vectors'
            {
                var size = format == WeightFormat.Float32 ? 4 : 2;
                var padded = new byte[65536 / 64 * width * size];
                for (var start = 0; start < 65536; start += 65536 / 64)
                {
                    for (var i = 0; i < 65536 / 64; i++)
                        stored.AsSpan((start + i) * size, size).CopyTo(padded.AsSpan((i * width + i % width) * size));
                    var x = Enumerable.Repeat(1f, width).ToArray();
                    var y = Multiply(path, format, padded, x, null, 1, width, 65536 / 64, Team);
                    for (var i = 0; i < y.Length; i++)
                        Assert.True(y[i] == expected[start + i] || (float.IsNaN(y[i]) && float.IsNaN(expected[start + i])), $"{path} {format} {start + i}: {y[i]}");
                }
            }
        }
    }

    [Theory]
    [InlineData(float.NaN)]
    [InlineData(float.PositiveInfinity)]
    [InlineData(float.NegativeInfinity)]
    public void Multiply_NonFiniteInput_ReachesEveryOutputOfItsRowOnly(float value)
    {
        const int inWidth = 71, outWidth = 9;
        foreach (var path in new[] { KernelPath.Portable, Cpu.Path })
        {
            for (var place = 0; place < inWidth; place++)
            {
                var (stored, _) = StoredWeights.Of(WeightFormat.BFloat16, Enumerable.Repeat(0.5f, inWidth * outWidth).ToArray());
                var x = Enumerable.Repeat(1f, 3 * inWidth).ToArray();
                x[inWidth + place] = value;
                var y = Multiply(path, WeightFormat.BFloat16, stored, x, null, 3, inWidth, outWidth, Team);
                Assert.All(y[outWidth..(2 * outWidth)], output => Assert.Equal(value, output));
                Assert.All(y[..outWidth].Concat(y[(2 * outWidth)..]), output => Assert.Equal(inWidth / 2f, output));
            }
        }
    }

    [Fact]
    public void Multiply_WrongSizes_AreRefused()
    {
        Assert.Throws<ArgumentOutOfRangeException>(() => MatVec.Multiply(null, null, null, null, -1, 1, 1));
        Assert.Throws<ArgumentOutOfRangeException>(() => MatVec.Multiply(null, null, null, null, 1, -1, 1));
        Assert.Throws<ArgumentOutOfRangeException>(() => MatVec.Multiply(null, null, null, null, 1, 1, -1));
        MatVec.Multiply(null, null, null, null, 0, 1, 1);
        MatVec.Multiply(null, null, null, null, 1, 1, 0);
    }
}
