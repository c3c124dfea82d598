using Generated.Kernels;

namespace Runtime.Tests.Kernels;

public sealed unsafe class MatMulTests
{
    private static readonly ThreadTeam Team = new(2);

    public static TheoryData<WeightFormat> Formats => [WeightFormat.Float32, WeightFormat.BFloat16, WeightFormat.Float16];

    [SkippableTheory]
    [MemberData(nameof(Formats))]
    public void Multiply_RandomShapes_EqualsDoubleReference(WeightFormat format)
    {
        RequireAvx2();
        var random = new Random(17);
        for (var round = 0; round < 60; round++)
        {
            int rows = 1 + random.Next(30), inWidth = round < 30 ? round : random.Next(1, 700), outWidth = 1 + random.Next(40);
            if (round >= 57)
                (rows, inWidth, outWidth) = (390, 1700, 5 + round % 3); // more than one block of rows, columns and copied input
            var scale = MathF.Pow(10, random.Next(-4, 4));
            var (stored, w) = StoredWeights.Of(format, StoredWeights.Values(random, outWidth * inWidth, scale));
            var x = StoredWeights.Values(random, rows * inWidth, 1 / scale);
            var bias = random.Next(2) == 0 ? null : StoredWeights.Values(random, outWidth, 1);
            var y = Multiply(format, stored, x, bias, rows, inWidth, outWidth, Team);
            StoredWeights.AssertProduct(w, x, bias, y, rows, inWidth, outWidth, $"{format}");
        }
    }

    [SkippableTheory]
    [MemberData(nameof(Formats))]
    public void Multiply_Output_DependsNeitherOnBatchNorOnThreads(WeightFormat format)
    {
        RequireAvx2();
        var random = new Random(18);
        const int rows = 101, inWidth = 1001, outWidth = 119;
        var (stored, _) = StoredWeights.Of(format, StoredWeights.Values(random, outWidth * inWidth, 1));
        var x = StoredWeights.Values(random, rows * inWidth, 1);
        using var four = new ThreadTeam(4);
        using var alone = new ThreadTeam(1);
        var batch = Multiply(format, stored, x, null, rows, inWidth, outWidth, four);
        foreach (var row in new[] { 0, 1, 50, 95, 96, 100 })
            Assert.Equal(Multiply(format, stored, x[(row * inWidth)..((row + 1) * inWidth)], null, 1, inWidth, outWidth, alone), batch[(row * outWidth)..((row + 1) * outWidth)]);
    }

    [SkippableTheory]
    [InlineData(float.NaN)]
    [InlineData(float.PositiveInfinity)]
    public void Multiply_NonFiniteInput_ReachesEveryOutputOfItsRowOnly(float value)
    {
        RequireAvx2();
        const int rows = 7, inWidth = 71, outWidth = 9;
        for (var place = 0; place < inWidth; place++)
        {
            var (stored, _) = StoredWeights.Of(WeightFormat.BFloat16, Enumerable.Repeat(0.5f, inWidth * outWidth).ToArray());
            var x = Enumerable.Repeat(1f, rows * inWidth).ToArray();
            x[(place % rows * inWidth) + place] = value;
            var y = Multiply(WeightFormat.BFloat16, stored, x, null, rows, inWidth, outWidth, Team);
            for (var i = 0; i < y.Length; i++)
                Assert.Equal(i / outWidth == place % rows ? value : inWidth / 2f, y[i]);
        }
    }

    [Fact]
    public void Multiply_WrongSizes_AreRefused()
    {
        Assert.Throws<ArgumentOutOfRangeException>(() => MatMul.Multiply(WeightFormat.Float32, null, null, null, null, -1, 1, 1));
        Assert.Throws<ArgumentOutOfRangeException>(() => MatMul.Multiply(WeightFormat.Float32, null, null, null, null, 1, -1, 1));
        Assert.Throws<ArgumentOutOfRangeException>(() => MatMul.Multiply(WeightFormat.Float32, null, null, null, null, 1, 1, -1));
        MatMul.Multiply(WeightFormat.Float32, null, null, null, null, 0, 1, 1);
        MatMul.Multiply(WeightFormat.Float32, null, null, null, null, 1, 1, 0);
    }

    private static void RequireAvx2() => Skip.IfNot(Cpu.Path == KernelPath.Avx2, "This kernel needs AVX2; elsewhere libtorch multiplies.");

    private static float[] Multiply(WeightFormat format, byte[] weights, float[] x, float[]? bias, int rows, int inWidth, int outWidth, ThreadTeam team)
    {
        using var w = new NativeArray<byte>(weights);
        using var input = new NativeArray<float>(x);
        using var b = new NativeArray<float>(bias ?? []);
        using var y = new NativeArray<float>(rows * outWidth);
        MatMul.Multiply(format, w.Pointer, input.Pointer, bias is null ? null : b.Pointer, y.Pointer, rows, inWidth, outWidth, team);
        y.AssertGuardsIntact();
        return y.Span.ToArray();
    }
}
