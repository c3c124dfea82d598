using Generated;
using Generated.Layers;
using Generated.Parallel;
using Generated.Passes;
using TorchSharp;
using static TorchSharp.torch;

namespace Runtime.Tests.Layers;

/// <summary>8-bit keys and values: every pass attends to what the codes stand for.</summary>
public sealed class Int8CacheTests
{
    private const int Rows = 2;
    private const int Length = 7;
    private const int Dim = 8;

    [Theory]
    [InlineData(ScalarType.Float32, 4, 4, false, 0)]
    [InlineData(ScalarType.Float32, 6, 2, true, 0)]
    [InlineData(ScalarType.Float32, 6, 3, false, 3)]
    [InlineData(ScalarType.BFloat16, 4, 2, false, 0)]
    public void EveryPass_AttendsToRoundedKeysAndValues(ScalarType dtype, int heads, int kvHeads, bool alibi, int window)
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        using var build = new BuildContext(new BuildOptions { Dtype = dtype });
        var (plain, rounding) = (new Attention(build, heads, kvHeads, Dim, alibi, window), new Attention(build, heads, kvHeads, Dim, alibi, window));
        var scales = new KvScales([.. Enumerable.Range(1, kvHeads).Select(h => 0.02f * h)], [.. Enumerable.Range(1, kvHeads).Select(h => 0.015f * h)]);
        rounding.RoundKeysAndValues(scales);
        var (q, k, v) = (randn(Rows, Length, heads * Dim).to(dtype), randn(Rows, Length, kvHeads * Dim).to(dtype), randn(Rows, Length, kvHeads * Dim).to(dtype));
        var mask = new AttentionMask { Starts = [0, 2] };
        SequenceInputs Inputs(int past, int count) => new(Rows, count, past, new long[Rows * count], mask);
        using var whole = new PassContext(Inputs(0, Length));
        var expected = plain.Apply(q, Rounded(k, scales.Keys), Rounded(v, scales.Values), whole);
        var tolerance = dtype == ScalarType.Float32 ? 1e-5 : 2e-2;

        Check(rounding.Apply(q, k, v, whole), 0, "full");
        Check(rounding.Eager(new Flow(q, whole), new Flow(k, whole), new Flow(v, whole)).Value, 0, "eager");
        using var cache = KvCache.Create(build.CacheShapes, Rows, 5, dtype, CPU);
        Assert.Equal(cache.Slots[0].Bytes, cache.Slots[1].Bytes * (dtype == ScalarType.Float32 ? 4 : 2));
        using var first = new PassContext(Inputs(0, 4), cache);
        Check(rounding.Prefill(q.narrow(1, 0, 4), k.narrow(1, 0, 4), v.narrow(1, 0, 4), first), 0, "prefill");
        cache.Grow(Length, 4);
        using var second = new PassContext(Inputs(4, 2), cache);
        Check(rounding.Prefill(q.narrow(1, 4, 2), k.narrow(1, 4, 2), v.narrow(1, 4, 2), second), 4, "second prefill");
        using var last = new PassContext(Inputs(6, 1), cache);
        Check(rounding.Decode(q.narrow(1, 6, 1), k.narrow(1, 6, 1), v.narrow(1, 6, 1), last), 6, "decode");

        void Check(Tensor actual, int from, string what)
        {
            var count = (int)actual.shape[1];
            var visible = Math.Max(0, 2 - from); // row 1 begins at column 2
            Weights.Close(expected.narrow(0, 0, 1).narrow(1, from, count), actual.narrow(0, 0, 1), what, tolerance, tolerance);
            Weights.Close(expected.narrow(0, 1, 1).narrow(1, from + visible, count - visible), actual.narrow(0, 1, 1).narrow(1, visible, count - visible), what, tolerance, tolerance);
        }

        Tensor Rounded(Tensor x, float[] s)
        {
            var values = x.to(ScalarType.Float32).data<float>().ToArray();
            for (var i = 0; i < values.Length; i++)
                values[i] = Math.Clamp(MathF.Round(values[i] / s[i / Dim % kvHeads]), -128, 127) * s[i / Dim % kvHeads];
            return tensor(values).view(x.shape).to(dtype);
        }
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void Models_WithRotatedKeys_AgreeOnEveryPassAndRank(int ranks)
    {
        using var scope = NewDisposeScope();
        var config = new TinyConfig { Heads = 4, KvHeads = 2 };
        using var whole = Weights.Model(config);
        var weights = Weights.Random(whole);
        var scales = new KvScales([0.03f, 0.02f], [0.01f, 0.025f]);
        foreach (var attention in whole.Context.Attentions)
            attention.RoundKeysAndValues(scales);
        var batch = new TokenBatch(1, 6, [1, 5, 9, 60, 3, 2]);
        using var ids = batch.ToTensor(CPU);
        using var off = no_grad();
        using var pass = new PassContext(whole.Inputs.Prompt(batch));
        var expected = whole.Eager(ids, pass);
        ThreadCollective.Run(ranks, group =>
        {
            using var inner = NewDisposeScope();
            using var noGrad = no_grad();
            using var model = TinyDecoder.Create(config, new BuildOptions { TensorParallel = group });
            Weights.Fill(model, weights);
            foreach (var attention in model.Context.Attentions)
                attention.RoundKeysAndValues(scales.Part((int)attention.KvRange.Start, attention.KvHeads));
            using var full = new PassContext(model.Inputs.Prompt(batch));
            Weights.Close(expected, model.Full(ids, full), "full");
            using var cache = model.NewCache(1, 6);
            Assert.All(cache.Slots, slot => Assert.IsType<Int8KvSlot>(slot));
            var inputs = model.Inputs.Prompt(new TokenBatch(1, 5, [1, 5, 9, 60, 3]));
            using var prefill = new PassContext(inputs, cache);
            Weights.Close(expected.narrow(1, 4, 1), model.Prefill(ids.narrow(1, 0, 5), prefill), "prefill");
            using var step = new PassContext(model.Inputs.Continue(inputs), cache);
            Weights.Close(expected.narrow(1, 5, 1), model.Decode(ids.narrow(1, 5, 1), step), "decode");
        });
    }

    [Fact]
    public void ScalesThatDoNotFit_AreRefused()
    {
        using var build = new BuildContext(new BuildOptions());
        var attention = new Attention(build, 4, 2, Dim);
        Assert.Contains("3 scales", Assert.Throws<InvalidInputException>(() => attention.RoundKeysAndValues(new([1, 1, 1], [1, 1, 1]))).Message);
        Assert.Contains("positive", Assert.Throws<InvalidInputException>(() => attention.RoundKeysAndValues(new([1, 1], [1, 0]))).Message);
    }
}
