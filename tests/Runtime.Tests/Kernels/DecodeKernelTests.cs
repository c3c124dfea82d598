using Generated.Kernels;

namespace Runtime.Tests.Kernels;

/// <summary>Norms, activations, rotary embedding and small row operations against plain double-precision loops.</summary>
public sealed unsafe class DecodeKernelTests
{
    private static readonly int[] Widths = [1, 2, 7, 8, 9, 15, 16, 17, 31, 64, 100, 172, 768, 2049];

    public static TheoryData<float> Magnitudes => [1e-15f, 1, 1e15f];

    [Theory]
    [MemberData(nameof(Magnitudes))]
    public void RmsNorm_EqualsReference(float magnitude)
    {
        foreach (var width in Widths)
        {
            float[] x = Values(width, 3 * width, magnitude), weight = Values(width + 1, width, 1);
            foreach (var w in new[] { weight, null })
            {
                using var y = Run(x, (input, output) => WithPointer(w, pw => NormKernels.RmsNorm((float*)input, (float*)pw, 1e-6f, (float*)output, 3, width)));
                for (var i = 0; i < x.Length; i++)
                {
                    var square = 0.0;
                    for (var k = 0; k < width; k++)
                        square += (double)x[i / width * width + k] * x[i / width * width + k];
                    Close(x[i] / Math.Sqrt(square / width + 1e-6f) * (w?[i % width] ?? 1), y.Span[i], 4e-6);
                }
            }
        }
    }

    [Fact]
    public void AddRmsNorm_IsTheSumAndItsNorm()
    {
        foreach (var width in Widths)
        {
            float[] x = Values(1, 2 * width, 1), delta = Values(2, 2 * width, 1), weight = Values(3, width, 1);
            using NativeArray<float> stream = new(x), d = new(delta), w = new(weight), y = new(2 * width), expected = new(2 * width);
            NormKernels.AddRmsNorm(stream.Pointer, d.Pointer, w.Pointer, 1e-5f, y.Pointer, 2, width);
            Assert.Equal(x.Zip(delta, (a, b) => a + b), stream.Span.ToArray());
            NormKernels.RmsNorm(stream.Pointer, w.Pointer, 1e-5f, expected.Pointer, 2, width);
            Assert.Equal(expected.Span.ToArray(), y.Span.ToArray());
            stream.AssertGuardsIntact();
            y.AssertGuardsIntact();
        }
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1000)]
    public void LayerNorm_EqualsReference(float shift)
    {
        foreach (var width in Widths)
        {
            float[] x = Values(width, 2 * width, 1).Select(value => value + shift).ToArray(), weight = Values(4, width, 1), bias = Values(5, width, 1);
            using NativeArray<float> w = new(weight), b = new(bias);
            using var y = Run(x, (input, output) => NormKernels.LayerNorm((float*)input, w.Pointer, b.Pointer, 1e-5f, (float*)output, 2, width));
            for (var i = 0; i < x.Length; i++)
            {
                var row = x[(i / width * width)..((i / width + 1) * width)].Select(value => (double)value).ToArray();
                double mean = row.Average(), variance = row.Average(value => (value - mean) * (value - mean));
                var expected = (x[i] - mean) / Math.Sqrt(variance + 1e-5f) * weight[i % width] + bias[i % width];
                Assert.True(Math.Abs(expected - y.Span[i]) <= 2e-5 * (1 + Math.Abs(expected)) * (shift == 0 ? 1 : 20), $"{width}: {y.Span[i]} for {expected}");
            }
        }
    }

    [Fact]
    public void Norms_WorkInPlace()
    {
        foreach (var width in Widths)
        {
            var x = Values(6, width, 1);
            using NativeArray<float> inPlace = new(x), input = new(x), output = new(width);
            NormKernels.LayerNorm(input.Pointer, null, null, 1e-5f, output.Pointer, 1, width);
            NormKernels.LayerNorm(inPlace.Pointer, null, null, 1e-5f, inPlace.Pointer, 1, width);
            Assert.Equal(output.Span.ToArray(), inPlace.Span.ToArray());
        }
        Assert.Throws<ArgumentOutOfRangeException>(() => NormKernels.RmsNorm(null, null, 0, null, 1, 0));
    }

    [Fact]
    public void Activations_EqualReference_FromTinyToHuge()
    {
        float[] special = [0, -0f, 1e-30f, -1e-30f, 20, -20, 87, -87, 88.5f, -88.5f, 104, -104, 1e4f, -1e4f, 1e30f, -1e30f];
        foreach (var count in Widths)
        {
            var x = Enumerable.Range(0, count).Select(i => i % 3 == 0 ? special[i % special.Length] : Values(i, 1, 6)[0]).ToArray();
            var up = Values(9, count, 2);
            using NativeArray<float> u = new(up);
            using var silu = Run(x, (input, output) => ActivationKernels.Silu((float*)input, (float*)output, count));
            using var gated = Run(x, (input, output) => ActivationKernels.SiluMultiply((float*)input, u.Pointer, (float*)output, count));
            using var gelu = Run(x, (input, output) => ActivationKernels.GeluTanh((float*)input, (float*)output, count));
            using var relu = Run(x, (input, output) => ActivationKernels.Relu((float*)input, (float*)output, count));
            for (var i = 0; i < count; i++)
            {
                double value = x[i], sigmoid = 1 / (1 + Math.Exp(-value));
                Close(value * sigmoid, silu.Span[i], 2e-6);
                Close(value * sigmoid * up[i], gated.Span[i], 2e-6);
                var tanh = Math.Tanh(Math.Sqrt(2 / Math.PI) * (value + 0.044715 * value * value * value));
                Assert.True(Math.Abs(0.5 * value * (1 + tanh) - gelu.Span[i]) <= 2e-6 * (1 + Math.Abs(value)), $"gelu({value}) = {gelu.Span[i]}");
                Assert.Equal(MathF.Max(x[i], 0), relu.Span[i]);
            }
        }
    }

    [Fact]
    public void Activations_NaN_StaysNaN()
    {
        foreach (var count in new[] { 1, 8, 19 })
        {
            var x = Enumerable.Repeat(float.NaN, count).ToArray();
            using var silu = Run(x, (input, output) => ActivationKernels.Silu((float*)input, (float*)output, count));
            using var gelu = Run(x, (input, output) => ActivationKernels.GeluTanh((float*)input, (float*)output, count));
            using var relu = Run(x, (input, output) => ActivationKernels.Relu((float*)input, (float*)output, count));
            Assert.All(silu.Span.ToArray().Concat(gelu.Span.ToArray()).Concat(relu.Span.ToArray()), value => Assert.True(float.IsNaN(value)));
        }
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Rotate_EqualsReference_AndLeavesTheRest(bool adjacent)
    {
        foreach (var (heads, stride, width) in new[] { (1, 2, 2), (3, 64, 64), (4, 48, 20), (2, 128, 96), (5, 10, 6), (2, 8, 0) })
        {
            var x = Values(heads, heads * stride, 1);
            float[] cos = Values(1, width / 2, 1), sin = Values(2, width / 2, 1);
            using NativeArray<float> y = new(x), c = new(cos), s = new(sin);
            RotaryKernel.Rotate(y.Pointer, heads, stride, width, c.Pointer, s.Pointer, adjacent);
            y.AssertGuardsIntact();
            var expected = (float[])x.Clone();
            for (var head = 0; head < heads; head++)
            {
                for (var i = 0; i < width / 2; i++)
                {
                    var first = head * stride + (adjacent ? 2 * i : i);
                    var second = head * stride + (adjacent ? 2 * i + 1 : i + width / 2);
                    expected[first] = x[first] * cos[i] - x[second] * sin[i];
                    expected[second] = x[second] * cos[i] + x[first] * sin[i];
                }
            }
            Assert.All(expected.Zip(y.Span.ToArray()), pair => Assert.Equal(pair.First, pair.Second, 1e-6f));
        }
        Assert.Throws<ArgumentOutOfRangeException>(() => RotaryKernel.Rotate(null, 1, 8, 3, null, null, adjacent));
        Assert.Throws<ArgumentOutOfRangeException>(() => RotaryKernel.Rotate(null, 2, 4, 8, null, null, adjacent));
    }

    [Fact]
    public void ArgMax_FindsTheFirstLargest_AndNaNBeforeAll()
    {
        foreach (var count in Widths)
        {
            for (var place = 0; place < count; place += 1 + count / 20)
            {
                var x = Values(place, count, 1);
                x[place] = 7;
                x[count - 1 - (count - 1 - place) / 2] = 7; // a second one, not before the first
                Assert.Equal(place, ArgMax(x));
                x[place] = float.NaN;
                Assert.Equal(place, ArgMax(x));
            }
        }
        Assert.Equal(0, ArgMax(Enumerable.Repeat(float.NegativeInfinity, 20).ToArray()));
        Assert.Throws<ArgumentOutOfRangeException>(() => RowKernels.ArgMax(null, 0));

        static int ArgMax(float[] values)
        {
            fixed (float* x = values)
                return RowKernels.ArgMax(x, values.Length);
        }
    }

    [Fact]
    public void NarrowAndWiden_RoundToNearestEven()
    {
        var bits = Enumerable.Range(0, 65536).Select(i => i << 16);
        var values = bits.SelectMany(b => new[] { b, b + 1, b + 0x7FFF, b + 0x8000, b + 0x8001, b + 0xFFFF }).Select(BitConverter.Int32BitsToSingle).ToArray();
        foreach (var count in new[] { values.Length, 13 })
        {
            using NativeArray<float> x = new(values.AsSpan(0, count)), widened = new(count);
            using NativeArray<ushort> narrow = new(count);
            RowKernels.Narrow(x.Pointer, narrow.Pointer, count);
            RowKernels.Widen(narrow.Pointer, widened.Pointer, count);
            narrow.AssertGuardsIntact();
            for (var i = 0; i < count; i++)
            {
                float value = values[i], result = widened.Span[i];
                if (float.IsNaN(value))
                {
                    Assert.True(float.IsNaN(result));
                    continue;
                }
                // The two neighbours in bfloat16 and the nearer one; a tie takes the even one.
                var cut = BitConverter.SingleToInt32Bits(value) & ~0xFFFF;
                double below = BitConverter.Int32BitsToSingle(cut), above = BitConverter.Int32BitsToSingle(cut + 0x10000);
                if (double.IsInfinity(above))
                    above = Math.CopySign(Math.ScaleB(1, 128), below);
                double toBelow = Math.Abs(value - below), toAbove = Math.Abs(above - value);
                var expected = double.IsInfinity(below) || toBelow < toAbove || (toBelow == toAbove && (cut & 0x10000) == 0) ? below : above;
                Assert.Equal((float)expected, result);
            }
        }
    }

    [Fact]
    public void Add_Adds()
    {
        foreach (var count in Widths)
        {
            float[] a = Values(1, count, 1), b = Values(2, count, 1);
            using NativeArray<float> other = new(b);
            using var y = Run(a, (input, output) => RowKernels.Add((float*)input, other.Pointer, (float*)output, count));
            Assert.Equal(a.Zip(b, (p, q) => p + q), y.Span.ToArray());
        }
    }

    private static void Close(double expected, float actual, double relative)
        => Assert.True(Math.Abs(expected - actual) <= relative * Math.Abs(expected) + 1e-37, $"{actual} for {expected}");

    private static NativeArray<float> Run(float[] x, Action<nint, nint> kernel)
    {
        using var input = new NativeArray<float>(x);
        var output = new NativeArray<float>(x.Length);
        kernel((nint)input.Pointer, (nint)output.Pointer);
        output.AssertGuardsIntact();
        return output;
    }

    private static void WithPointer(float[]? values, Action<nint> use)
    {
        fixed (float* pointer = values)
            use((nint)pointer);
    }

    private static float[] Values(int seed, int count, float magnitude)
    {
        var random = new Random(seed);
        return Enumerable.Range(0, count).Select(_ => (random.NextSingle() * 2 - 1) * magnitude).ToArray();
    }
}
