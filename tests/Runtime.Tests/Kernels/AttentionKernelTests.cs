using Generated.Kernels;

namespace Runtime.Tests.Kernels;

public sealed unsafe class AttentionKernelTests
{
    private static readonly ThreadTeam Team = new(2);

    private sealed record Case(int Batch, int Heads, int KvHeads, int HeadDim, int Capacity, int Length, int[]? Starts, float[]? Slopes, int Window)
    {
        public AttentionShape Shape => new()
        {
            Heads = Heads,
            KvHeads = KvHeads,
            HeadDim = HeadDim,
            HeadStride = Capacity * HeadDim,
            BatchStride = KvHeads * Capacity * HeadDim,
            Scale = 1 / MathF.Sqrt(HeadDim),
            Window = Window,
        };
    }

    [Theory]
    [InlineData(WeightFormat.Float32)]
    [InlineData(WeightFormat.BFloat16)]
    [InlineData(WeightFormat.Float16)]
    public void Attend_RandomShapes_EqualsReference(WeightFormat format)
    {
        var random = new Random(31);
        for (var round = 0; round < 60; round++)
        {
            int kvHeads = 1 + random.Next(4), heads = kvHeads * (1 + random.Next(4)), batch = 1 + random.Next(3), length = 1 + random.Next(round < 30 ? 5 : 150);
            var one = new Case(batch, heads, kvHeads, 1 + random.Next(100), length + random.Next(9), length,
                random.Next(2) == 0 ? null : Enumerable.Range(0, batch).Select(_ => random.Next(length)).ToArray(),
                random.Next(2) == 0 ? null : Enumerable.Range(0, heads).Select(_ => random.NextSingle()).ToArray(),
                random.Next(3) == 0 ? 1 + random.Next(length + 3) : 0);
            var magnitude = round % 5 == 0 ? 30 : 1; // 30: softmax close to one-hot
            var q = Values(random, batch * heads * one.HeadDim, magnitude);
            var keys = Stored(format, Values(random, batch * kvHeads * one.Capacity * one.HeadDim, 1));
            var values = Stored(format, Values(random, batch * kvHeads * one.Capacity * one.HeadDim, 1));
            var y = Attend(format, one, q, keys.Bytes, values.Bytes, Team);
            var expected = Reference(one, q, keys.Values, values.Values);
            for (var i = 0; i < y.Length; i++)
                Assert.True(Math.Abs(y[i] - expected[i]) <= 2e-5, $"round {round} {one}: {y[i]} for {expected[i]} at {i}");
        }
    }

    [Fact]
    public void AttendInt8_RandomShapes_EqualsReferenceOfTheCodes()
    {
        var random = new Random(35);
        for (var round = 0; round < 30; round++)
        {
            int kvHeads = 1 + random.Next(3), heads = kvHeads * (1 + random.Next(3)), batch = 1 + random.Next(2), length = 1 + random.Next(100);
            var one = new Case(batch, heads, kvHeads, 1 + random.Next(70), length + random.Next(9), length, null, null, 0);
            var q = Values(random, batch * heads * one.HeadDim, 1);
            float[] keyScales = [.. Values(random, kvHeads, 0.01f).Select(v => Math.Abs(v) + 1e-3f)], valueScales = [.. Values(random, kvHeads, 0.01f).Select(v => Math.Abs(v) + 1e-3f)];
            var size = batch * kvHeads * one.Capacity * one.HeadDim;
            sbyte[] keys = Quantize(Values(random, size, 1), keyScales), values = Quantize(Values(random, size, 1), valueScales);
            using NativeArray<sbyte> k = new(keys), v = new(values);
            using NativeArray<float> ks = new(keyScales), vs = new(valueScales), query = new(q), y = new(batch * heads * one.HeadDim);
            AttentionKernel.AttendInt8(one.Shape, query.Pointer, k.Pointer, v.Pointer, ks.Pointer, vs.Pointer, null, length, null, y.Pointer, batch, Team);
            var expected = Reference(one, q, Dequantize(keys, keyScales), Dequantize(values, valueScales));
            for (var i = 0; i < expected.Length; i++)
                Assert.True(Math.Abs(y.Span[i] - expected[i]) <= 2e-5, $"round {round} {one}: {y.Span[i]} for {expected[i]} at {i}");

            int Head(int i) => i / (one.Capacity * one.HeadDim) % kvHeads;
            double[] Dequantize(sbyte[] codes, float[] scales) => codes.Select((code, i) => code * (double)scales[Head(i)]).ToArray();
            sbyte[] Quantize(float[] x, float[] scales)
            {
                var codes = new sbyte[x.Length];
                fixed (float* px = x)
                fixed (sbyte* pc = codes)
                {
                    for (var i = 0; i < x.Length; i += one.HeadDim)
                        RowKernels.Quantize(px + i, scales[Head(i)], pc + i, one.HeadDim);
                }
                Assert.All(codes.Select((code, i) => (code, i)), c => Assert.Equal(Math.Clamp(Math.Round((double)(x[c.i] / scales[Head(c.i)])), -128, 127), c.code));
                return codes;
            }
        }
    }

    [Fact]
    public void Attend_LeftPaddedRow_EqualsTheRowAlone()
    {
        var random = new Random(32);
        const int dim = 24, length = 70, capacity = 80, pad = 33;
        float[] q = Values(random, 2 * dim, 1), slopes = [0.5f, 0.25f];
        float[] keys = Values(random, 2 * capacity * dim, 1), values = Values(random, 2 * capacity * dim, 1);
        var padded = new Case(1, 2, 2, dim, capacity, length, [pad], slopes, 0);
        var alone = padded with { Starts = null, Length = length - pad };
        var junk = (float[])keys.Clone();
        for (var i = 0; i < pad * dim; i++)
            junk[i] = junk[capacity * dim + i] = float.NaN; // what padding holds must not matter
        var first = Attend(WeightFormat.Float32, padded, q, Stored(WeightFormat.Float32, junk).Bytes, Stored(WeightFormat.Float32, values).Bytes, Team);
        var second = Attend(WeightFormat.Float32, alone, q, Stored(WeightFormat.Float32, Shift(keys)).Bytes, Stored(WeightFormat.Float32, Shift(values)).Bytes, Team);
        Assert.Equal(second, first);

        static float[] Shift(float[] cache)
            => [.. cache[(pad * dim)..(capacity * dim)], .. new float[pad * dim], .. cache[((capacity + pad) * dim)..], .. new float[pad * dim]];
    }

    [Fact]
    public void Attend_Result_DoesNotDependOnThreads()
    {
        var random = new Random(33);
        var one = new Case(3, 8, 2, 64, 512, 500, null, null, 0);
        var q = Values(random, 3 * 8 * 64, 1);
        var keys = Stored(WeightFormat.BFloat16, Values(random, 3 * 2 * 512 * 64, 1)).Bytes;
        using var four = new ThreadTeam(4);
        using var alone = new ThreadTeam(1);
        Assert.Equal(Attend(WeightFormat.BFloat16, one, q, keys, keys, alone), Attend(WeightFormat.BFloat16, one, q, keys, keys, four));
    }

    [Fact]
    public void Attend_NaNKey_MakesItsHeadsNaNOnly()
    {
        var random = new Random(34);
        var one = new Case(1, 4, 2, 20, 40, 40, null, null, 0);
        float[] q = Values(random, 80, 1), keys = Values(random, 2 * 40 * 20, 1), values = Values(random, 2 * 40 * 20, 1);
        keys[40 * 20 + 35 * 20] = float.NaN;
        var y = Attend(WeightFormat.Float32, one, q, Stored(WeightFormat.Float32, keys).Bytes, Stored(WeightFormat.Float32, values).Bytes, Team);
        Assert.All(y[..40], value => Assert.True(float.IsFinite(value)));
        Assert.All(y[40..], value => Assert.True(float.IsNaN(value)));
    }

    [Fact]
    public void Attend_WrongSizes_AreRefused()
    {
        var one = new Case(1, 4, 2, 8, 10, 10, null, null, 0);
        Assert.Throws<ArgumentException>(() => Attend(WeightFormat.Float32, one with { Heads = 5 }, [], [], [], Team));
        Assert.Throws<ArgumentException>(() => Attend(WeightFormat.Float32, one with { Starts = [10] }, [], [], [], Team));
        Assert.Throws<ArgumentOutOfRangeException>(() => Attend(WeightFormat.Float32, one with { Length = 0 }, [], [], [], Team));
    }

    private static float[] Attend(WeightFormat format, Case one, float[] q, byte[] keys, byte[] values, ThreadTeam team)
    {
        using NativeArray<byte> k = new(keys), v = new(values);
        using NativeArray<float> query = new(q), y = new(one.Batch * one.Heads * one.HeadDim);
        fixed (int* starts = one.Starts)
        fixed (float* slopes = one.Slopes)
            AttentionKernel.Attend(format, one.Shape, query.Pointer, k.Pointer, v.Pointer, starts, one.Length, slopes, y.Pointer, one.Batch, team);
        y.AssertGuardsIntact();
        return y.Span.ToArray();
    }

    private static double[] Reference(Case one, float[] q, double[] keys, double[] values)
    {
        var y = new double[one.Batch * one.Heads * one.HeadDim];
        for (var row = 0; row < one.Batch; row++)
        {
            for (var head = 0; head < one.Heads; head++)
            {
                var cache = (row * one.KvHeads + head / (one.Heads / one.KvHeads)) * one.Capacity;
                var at = (row * one.Heads + head) * one.HeadDim;
                var seen = Enumerable.Range(0, one.Length).Where(p => p >= (one.Starts?[row] ?? 0) && (one.Window == 0 || p > one.Length - 1 - one.Window)).ToArray();
                var scores = seen.Select(p => Enumerable.Range(0, one.HeadDim).Sum(k => q[at + k] * keys[(cache + p) * one.HeadDim + k]) / Math.Sqrt(one.HeadDim)
                    + (one.Slopes?[head] ?? 0) * (double)p).ToArray();
                var exp = scores.Select(score => Math.Exp(score - scores.Max())).ToArray();
                for (var k = 0; k < one.HeadDim; k++)
                    y[at + k] = seen.Select((p, i) => exp[i] * values[(cache + p) * one.HeadDim + k]).Sum() / exp.Sum();
            }
        }
        return y;
    }

    private static (byte[] Bytes, double[] Values) Stored(WeightFormat format, float[] values)
    {
        switch (format)
        {
            case WeightFormat.Float32:
                return (values.SelectMany(BitConverter.GetBytes).ToArray(), values.Select(value => (double)value).ToArray());
            case WeightFormat.Float16:
                return (values.SelectMany(value => BitConverter.GetBytes((Half)value)).ToArray(), values.Select(value => (double)(Half)value).ToArray());
            default:
                return (values.SelectMany(value => BitConverter.GetBytes(value)[2..]).ToArray(),
                    values.Select(value => (double)BitConverter.Int32BitsToSingle(BitConverter.SingleToInt32Bits(value) & ~0xFFFF)).ToArray());
        }
    }

    private static float[] Values(Random random, int count, float magnitude)
        => Enumerable.Range(0, count).Select(_ => (random.NextSingle() * 2 - 1) * magnitude).ToArray();
}
