using Generated;
using Generated.Layers;
using Generated.Passes;
using TorchSharp;
using static TorchSharp.torch;

namespace Runtime.Tests.Layers;

/// <summary>Single layers against their definition, computed here in float64.</summary>
public sealed class FormulaTests
{
    private static Tensor Seeded(ulong seed, params long[] shape)
    {
        using var generator = new Generator(seed);
        return randn(shape, generator: generator);
    }

    private static float[] Values(Tensor x)
    {
        using var wide = x.detach().to(ScalarType.Float32).contiguous();
        return wide.data<float>().ToArray();
    }

    private static void Near(double[] expected, Tensor actual, double tolerance)
    {
        var values = Values(actual);
        Assert.Equal(expected.Length, values.Length);
        for (var i = 0; i < values.Length; i++)
            Assert.True(Math.Abs(expected[i] - values[i]) <= tolerance * (1 + Math.Abs(expected[i])), $"element {i} is {values[i]}, not {expected[i]}");
    }

    private static void Set(Parameter parameter, Tensor values)
    {
        using var _ = no_grad();
        parameter.Value.copy_(values);
    }

    private static PassContext Pass(int rows, int length) => new(new SequenceInputs(rows, length, 0, [.. Enumerable.Range(0, rows * length).Select(i => (long)(i % length))], AttentionMask.Causal));

    [Theory]
    [InlineData(ScalarType.Float32, 1e-6)]
    [InlineData(ScalarType.BFloat16, 1.2e-2)]
    [InlineData(ScalarType.Float16, 1.5e-3)]
    public void RmsNorm_IsTheDefinition(ScalarType dtype, double tolerance)
    {
        using var scope = NewDisposeScope();
        using var build = new BuildContext(new BuildOptions { Dtype = dtype });
        var norm = new RmsNorm(build, 20, 1e-3);
        Set(norm.Weight, Seeded(1, 20));
        var x = (Seeded(2, 2, 3, 20) * 5).to(dtype);
        var (xs, w) = (Values(x), Values(norm.Weight.Value));
        var expected = new double[xs.Length];
        for (var row = 0; row < 6; row++)
        {
            var mean = Enumerable.Range(0, 20).Average(i => (double)xs[row * 20 + i] * xs[row * 20 + i]);
            for (var i = 0; i < 20; i++)
                expected[row * 20 + i] = xs[row * 20 + i] / Math.Sqrt(mean + 1e-3) * w[i];
        }

        Near(expected, norm.Apply(x), tolerance);
        using (no_grad())
            Near(expected, norm.Decode(x), tolerance);
        var delta = Seeded(5, 2, 3, 20).to(dtype);
        using (no_grad())
        {
            var (sum, normalised) = norm.AddDecode(x, delta);
            Weights.Close(x + delta, sum, "sum", tolerance, tolerance);
            Weights.Close(norm.Apply(x + delta), normalised, "norm of the sum", 2 * tolerance, 2 * tolerance);
        }

        norm.EnsureBias();
        Set(norm.Bias!, Seeded(3, 20));
        var b = Values(norm.Bias!.Value);
        Near([.. expected.Select((e, i) => e + b[i % 20])], norm.Apply(x), tolerance);
    }

    [Theory]
    [InlineData(ScalarType.Float32, 1e-5)]
    [InlineData(ScalarType.BFloat16, 1.2e-2)]
    public void LayerNorm_IsTheDefinition(ScalarType dtype, double tolerance)
    {
        using var scope = NewDisposeScope();
        using var build = new BuildContext(new BuildOptions { Dtype = dtype });
        var norm = new LayerNorm(build, 20, 1e-3);
        Set(norm.Weight, Seeded(1, 20));
        Set(norm.Bias!, Seeded(4, 20));
        var x = (Seeded(2, 2, 3, 20) * 5 + 3).to(dtype);
        var (xs, w, b) = (Values(x), Values(norm.Weight.Value), Values(norm.Bias!.Value));
        var expected = new double[xs.Length];
        for (var row = 0; row < 6; row++)
        {
            var values = xs.AsSpan(row * 20, 20).ToArray().Select(v => (double)v).ToArray();
            var mean = values.Average();
            var variance = values.Average(v => (v - mean) * (v - mean));
            for (var i = 0; i < 20; i++)
                expected[row * 20 + i] = (values[i] - mean) / Math.Sqrt(variance + 1e-3) * w[i] + b[i];
        }

        Near(expected, norm.Apply(x), tolerance);
    }

    [Theory]
    [InlineData(RotaryPairing.Halves, 0)]
    [InlineData(RotaryPairing.Halves, 4)]
    [InlineData(RotaryPairing.Adjacent, 0)]
    [InlineData(RotaryPairing.Adjacent, 4)]
    public void Rotary_TurnsEveryPairByPositionTimesFrequency(RotaryPairing pairing, int dim)
    {
        using var scope = NewDisposeScope();
        using var build = new BuildContext(new BuildOptions());
        var rotary = new Rotary(build, 12, dim, 500, pairing: pairing);
        var x = Seeded(1, 2, 5, 24);
        using var pass = new PassContext(new SequenceInputs(2, 5, 0, [0, 1, 2, 3, 4, 7, 300, 9, 1000, 11], AttentionMask.Causal));
        var (xs, width) = (Values(x), dim == 0 ? 12 : dim);
        var expected = xs.Select(v => (double)v).ToArray();
        for (var token = 0; token < 10; token++)
            for (var head = 0; head < 2; head++)
                for (var pair = 0; pair < width / 2; pair++)
                {
                    var start = (token * 2 + head) * 12;
                    var (a, b) = pairing == RotaryPairing.Halves ? (start + pair, start + pair + width / 2) : (start + 2 * pair, start + 2 * pair + 1);
                    var angle = pass.Inputs.Positions[token] * Math.Pow(500, -2.0 * pair / width);
                    (expected[a], expected[b]) = (xs[a] * Math.Cos(angle) - xs[b] * Math.Sin(angle), xs[b] * Math.Cos(angle) + xs[a] * Math.Sin(angle));
                }

        Near(expected, rotary.Apply(x, pass), 2e-4); // float32 angles: 1000 · 2⁻²⁴
    }

    [Theory]
    [InlineData(-1e-5)]
    [InlineData(double.NaN)]
    public void Norm_OfANegativeEpsilon_IsRefused(double epsilon)
    {
        using var build = new BuildContext(new BuildOptions());
        Assert.Contains("ε", Assert.Throws<Generated.InvalidInputException>(() => new RmsNorm(build, 4, epsilon)).Message);
        Assert.Contains("ε", Assert.Throws<Generated.InvalidInputException>(() => new LayerNorm(build, 4, epsilon)).Message);
    }

    [Fact]
    public void Rotary_ByTwoPositions_TurnsEachHalfOfAHeadByOne()
    {
        using var scope = NewDisposeScope();
        using var build = new BuildContext(new BuildOptions());
        var rotary = new Rotary(build, 8, positions: PositionKind.SequenceAndBlock, halfFrequencies: true);
        var x = Seeded(1, 1, 3, 16);
        using var pass = new PassContext(new SequenceInputs(1, 3, 0, [4, 5, 5], AttentionMask.Causal, [0, 1, 2]));
        var xs = Values(x);
        var expected = new double[xs.Length];
        for (var token = 0; token < 3; token++)
            for (var section = 0; section < 4; section++) // two heads of two halves
                for (var pair = 0; pair < 2; pair++)
                {
                    var (a, b) = (token * 16 + section * 4 + pair, token * 16 + section * 4 + pair + 2);
                    var position = section % 2 == 0 ? pass.Inputs.Positions[token] : pass.Inputs.BlockPositions![token];
                    var angle = position * (double)(Half)Math.Pow(10000, -pair / 2.0);
                    (expected[a], expected[b]) = (xs[a] * Math.Cos(angle) - xs[b] * Math.Sin(angle), xs[b] * Math.Cos(angle) + xs[a] * Math.Sin(angle));
                }

        Near(expected, rotary.Apply(x, pass), 1e-5);
        using (no_grad())
            for (var token = 0; token < 3; token++)
            {
                using var one = new PassContext(new SequenceInputs(1, 1, token, [pass.Inputs.Positions[token]], AttentionMask.Causal, [token]));
                Near(expected[(token * 16)..(token * 16 + 16)], rotary.Decode(x.narrow(1, token, 1), one), 1e-5);
            }
    }

    [Theory]
    [InlineData("linear")]
    [InlineData("llama3")]
    [InlineData("dynamic")]
    [InlineData("qwen")]
    public void Rotary_Scaled_TurnsByTheStretchedFrequency(string kind)
    {
        using var scope = NewDisposeScope();
        using var build = new BuildContext(new BuildOptions());
        var scaling = kind switch
        {
            "linear" => RopeScaling.Linear(4),
            "llama3" => RopeScaling.Llama3(8, 1, 4, 64),
            "dynamic" => RopeScaling.Dynamic(2, 16),
            _ => RopeScaling.QwenNtk(16),
        };
        var rotary = new Rotary(build, 16, theta: 10000, scaling: scaling);
        const int length = 40;
        using var pass = Pass(1, length);
        var x = Seeded(1, 1, length, 16);
        var xs = Values(x);
        var expected = new double[xs.Length];
        for (var token = 0; token < length; token++)
            for (var pair = 0; pair < 8; pair++)
            {
                var (a, b) = (token * 16 + pair, token * 16 + pair + 8);
                var angle = token * Frequency(kind, pair);
                (expected[a], expected[b]) = (xs[a] * Math.Cos(angle) - xs[b] * Math.Sin(angle), xs[b] * Math.Cos(angle) + xs[a] * Math.Sin(angle));
            }

        Near(expected, rotary.Apply(x, pass), 1e-5);
    }

    private static double Frequency(string kind, int pair)
    {
        double Plain(double theta) => Math.Pow(theta, -pair / 8.0);
        switch (kind)
        {
            case "linear":
                return Plain(10000) / 4;
            case "dynamic":
                return Plain(10000 * Math.Pow(2 * 40 / 16.0 - 1, 16 / 14.0));
            case "qwen":
                return Plain(10000 * Math.Pow(7, 16 / 14.0)); // 2^ceil(log2(40/16) + 1) − 1
            default:
                var wavelength = 2 * Math.PI / Plain(10000);
                if (wavelength < 64 / 4.0)
                    return Plain(10000);
                if (wavelength > 64)
                    return Plain(10000) / 8;
                var smooth = (64 / wavelength - 1) / (4 - 1);
                return (1 - smooth) * Plain(10000) / 8 + smooth * Plain(10000);
        }
    }

    [Fact]
    public void AlibiSlopes_AreThePublishedOnes()
    {
        Assert.Equal([0.5f, 0.25f, 0.125f, 0.0625f, 0.03125f, 0.015625f, 0.0078125f, 0.00390625f], Alibi.Slopes(8));
        // For 12 heads the paper's code takes those of 8, then every second of 16: 2^-0.5, 2^-1.5, 2^-2.5, 2^-3.5.
        var slopes = Alibi.Slopes(12);
        Assert.Equal(Alibi.Slopes(8), slopes[..8]);
        Assert.Equal([0.70710678, 0.35355339, 0.17677669, 0.08838835], slopes[8..].Select(s => (double)s), (a, b) => Math.Abs(a - b) < 1e-7);
        Assert.Equal([0.0625f, 0.00390625f, 0.25f], Alibi.Slopes(3));
    }

    /// <summary>Every way that attention is restricted, in every type, as prefill and as decode.</summary>
    [Theory]
    [InlineData(ScalarType.Float32, 4, 4, false, 0, 0.0)]
    [InlineData(ScalarType.Float32, 6, 2, false, 3, 0.4)]
    [InlineData(ScalarType.Float32, 6, 3, true, 0, 0.0)]
    [InlineData(ScalarType.Float32, 3, 1, true, 4, 0.0)]
    [InlineData(ScalarType.BFloat16, 4, 2, false, 0, 0.0)]
    [InlineData(ScalarType.BFloat16, 6, 6, true, 0, 0.0)]
    [InlineData(ScalarType.Float16, 4, 1, false, 3, 0.0)]
    public void Attention_IsTheDefinition(ScalarType dtype, int heads, int kvHeads, bool alibi, int window, double scale)
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        const int rows = 2, length = 7, dim = 8;
        using var build = new BuildContext(new BuildOptions { Dtype = dtype });
        var attention = new Attention(build, heads, kvHeads, dim, alibi, window, scale);
        var q = Seeded(1, rows, length, heads * dim).to(dtype);
        var k = Seeded(2, rows, length, kvHeads * dim).to(dtype);
        var v = Seeded(3, rows, length, kvHeads * dim).to(dtype);
        int[] starts = [0, 2];
        var mask = new AttentionMask { Starts = starts };
        SequenceInputs Inputs(int past, int count) => new(rows, count, past, new long[rows * count], mask);
        var expected = Expected(Values(q), Values(k), Values(v));
        var tolerance = dtype == ScalarType.Float32 ? 1e-5 : dtype == ScalarType.Float16 ? 2e-3 : 1.5e-2;

        using var whole = new PassContext(Inputs(0, length));
        Check(attention.Apply(q, k, v, whole), 0);
        using var other = new BuildContext(new BuildOptions { Dtype = dtype });
        Check(new Attention(other, heads, kvHeads, dim, alibi, window, scale) { MostMaskElements = 30 }.Apply(q, k, v, whole), 0);
        using var cache = KvCache.Dense(build.CacheShapes, rows, length, dtype, CPU);
        using var first = new PassContext(Inputs(0, 4), cache);
        Check(attention.Prefill(q.narrow(1, 0, 4), k.narrow(1, 0, 4), v.narrow(1, 0, 4), first), 0);
        using var second = new PassContext(Inputs(4, 2), cache);
        Check(attention.Prefill(q.narrow(1, 4, 2), k.narrow(1, 4, 2), v.narrow(1, 4, 2), second), 4);
        using var last = new PassContext(Inputs(6, 1), cache);
        Check(attention.Decode(q.narrow(1, 6, 1), k.narrow(1, 6, 1), v.narrow(1, 6, 1), last), 6);

        void Check(Tensor actual, int from)
        {
            Assert.Equal(dtype, actual.dtype);
            var values = Values(actual);
            var count = (int)actual.shape[1];
            for (var row = 0; row < rows; row++)
                for (var column = Math.Max(from, starts[row]); column < from + count; column++)
                    for (var i = 0; i < heads * dim; i++)
                    {
                        var (e, a) = (expected[(row * length + column) * heads * dim + i], values[(row * count + column - from) * heads * dim + i]);
                        Assert.True(Math.Abs(e - a) <= tolerance * (1 + Math.Abs(e)), $"row {row}, column {column}, feature {i} is {a}, not {e}");
                    }
        }

        double[] Expected(float[] qs, float[] ks, float[] vs)
        {
            var result = new double[qs.Length];
            var factor = scale > 0 ? scale : 1 / Math.Sqrt(dim);
            for (var row = 0; row < rows; row++)
                for (var head = 0; head < heads; head++)
                    for (var query = starts[row]; query < length; query++)
                    {
                        var weights = new double[length];
                        for (var key = starts[row]; key <= query; key++)
                        {
                            if (window > 0 && key <= query - window)
                                continue;
                            var score = 0.0;
                            for (var i = 0; i < dim; i++)
                                score += (double)qs[((row * length + query) * heads + head) * dim + i] * ks[((row * length + key) * kvHeads + head / (heads / kvHeads)) * dim + i];
                            weights[key] = Math.Exp(score * factor + (alibi ? Alibi.Slopes(heads)[head] * key : 0));
                        }

                        for (var i = 0; i < dim; i++)
                            result[((row * length + query) * heads + head) * dim + i] =
                                Enumerable.Range(0, length).Sum(key => weights[key] * vs[((row * length + key) * kvHeads + head / (heads / kvHeads)) * dim + i]) / weights.Sum();
                    }

            return result;
        }
    }

    [Fact]
    public void Sections_InGroups_JoinEachGroupsPart()
    {
        using var scope = NewDisposeScope();
        using var build = new BuildContext(new BuildOptions());
        // Two groups of [a a | b | c c c]; the values say group, section and place.
        var x = tensor(new float[] { 111, 112, 121, 131, 132, 133, 211, 212, 221, 231, 232, 233 }).view(1, 1, 12);
        var (a, b, c) = new Sections(build, [2, 1, 3], groups: 2).Apply3(x);
        Assert.Equal([111, 112, 211, 212], Values(a));
        Assert.Equal([121, 221], Values(b));
        Assert.Equal([131, 132, 133, 231, 232, 233], Values(c));
        var (first, second) = new Sections(build, [5, 7]).Apply2(x);
        Assert.Equal([111, 112, 121, 131, 132], Values(first));
        Assert.Equal(7, second.shape[^1]);
        Assert.Throws<InvalidInputException>(() => new Sections(build, [3]));
    }

    [Fact]
    public void LogN_ScalesPastTheTrainedLengthOnly()
    {
        using var scope = NewDisposeScope();
        using var build = new BuildContext(new BuildOptions());
        var x = ones(1, 6, 2);
        using var pass = Pass(1, 6);
        var factors = Values(new LogN(build, 4).Apply(x, pass)).Where((_, i) => i % 2 == 0).Select(f => (double)f).ToArray();
        Assert.Equal([1, 1, 1, 1, Math.Log(5) / Math.Log(4), Math.Log(6) / Math.Log(4)], factors, (a, b) => Math.Abs(a - b) < 1e-6);
        Assert.Throws<InvalidInputException>(() => new LogN(build, 1));
    }

    [Theory]
    [InlineData(ScalarType.Float32)]
    [InlineData(ScalarType.BFloat16)]
    public void Activations_AreTheirDefinitions(ScalarType dtype)
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        var tolerance = dtype == ScalarType.Float32 ? 1e-5 : 1.2e-2;
        var x = (Seeded(1, 2, 3, 11) * 3).to(dtype);
        var y = Seeded(2, 2, 3, 11).to(dtype);
        var (xs, ys) = (Values(x).Select(v => (double)v).ToArray(), Values(y));
        double Silu(double v) => v / (1 + Math.Exp(-v));
        Near([.. xs.Select(Silu)], Elementwise.Silu(x), tolerance);
        Near([.. xs.Select((v, i) => Silu(v) * ys[i])], Elementwise.SiluMultiply(x, y), 2 * tolerance);
        Near([.. xs.Select(v => v / 2 * (1 + Math.Tanh(Math.Sqrt(2 / Math.PI) * (v + 0.044715 * v * v * v))))], Elementwise.GeluTanh(x), tolerance);
        Near([.. xs.Select(v => Math.Max(v, 0))], Elementwise.Relu(x), 0);
        Near([.. xs.Select((v, i) => v + ys[i])], Elementwise.Add(x, y), tolerance);
        Near([.. xs.Select((v, i) => v * ys[i])], Elementwise.Multiply(x, y), tolerance);
        Near([.. xs.Select(v => v * 1.7)], Elementwise.Scale(x, 1.7), tolerance);
        // Φ(1) = 0.8413447461
        Near([0.8413447461, -0.1586552539, 0], Elementwise.Gelu(tensor([1f, -1, 0])), 1e-6);
    }

    [Fact]
    public void PositionEmbedding_LooksUpPositionPlusOffset_AndRefusesToLeaveTheTable()
    {
        using var scope = NewDisposeScope();
        using var build = new BuildContext(new BuildOptions());
        var table = new PositionEmbedding(build, 6, 2, offset: 2);
        Set(table.Weight, arange(12, dtype: ScalarType.Float32).view(6, 2));
        using var pass = new PassContext(new SequenceInputs(1, 3, 0, [0, 3, 1], AttentionMask.Causal));
        var ids = zeros(1, 3, dtype: ScalarType.Int64);
        Assert.Equal([4, 5, 10, 11, 6, 7], Values(table.Apply(ids, pass)));
        using var beyond = new PassContext(new SequenceInputs(1, 3, 0, [0, 4, 1], AttentionMask.Causal));
        Assert.Contains("4 learned positions", Assert.Throws<InvalidInputException>(() => table.Apply(ids, beyond)).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(0, 4, 8)]
    [InlineData(6, 4, 8)]
    [InlineData(4, 4, 0)]
    public void ImpossibleAttention_IsRefused(int heads, int kvHeads, int headDim)
    {
        using var build = new BuildContext(new BuildOptions());
        Assert.Throws<InvalidInputException>(() => new Attention(build, heads, kvHeads, headDim));
    }

    [Theory]
    [InlineData(7, 0, PositionKind.Sequence)]
    [InlineData(8, 3, PositionKind.Sequence)]
    [InlineData(8, 10, PositionKind.Sequence)]
    [InlineData(6, 0, PositionKind.SequenceAndBlock)]
    [InlineData(8, 4, PositionKind.SequenceAndBlock)]
    public void ImpossibleRotary_IsRefused(int headDim, int dim, PositionKind positions)
    {
        using var build = new BuildContext(new BuildOptions());
        Assert.Throws<InvalidInputException>(() => new Rotary(build, headDim, dim, positions: positions));
    }
}
