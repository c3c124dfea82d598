using Generated;
using Generated.Architectures;
using Generated.Layers;
using Generated.Passes;
using Generated.Tests;
using TorchSharp;
using static TorchSharp.torch;

namespace Runtime.Tests.Layers;

public sealed class LinearTests
{
    private static readonly SequenceInputs Inputs = new(1, 1, 0, [0], AttentionMask.Causal);

    private static Tensor Seeded(ulong seed, params long[] shape)
    {
        using var generator = new Generator(seed);
        return randn(shape, generator: generator);
    }

    private static void Fill(Linear linear, ulong seed)
    {
        using var _ = no_grad();
        var dense = (DenseLinear)linear;
        using var weight = Seeded(seed, [.. dense.Weight.Shape]);
        dense.Weight.Value.copy_(weight);
        if (dense.Bias is not { } bias)
            return;
        using var values = Seeded(seed + 100, [.. bias.Shape]);
        bias.Value.copy_(values);
    }

    /// <summary>A linear of another kind, as quantization puts in a dense one's place: every output is the sum of the inputs.</summary>
    private sealed class SumLinear(Linear replaced) : Linear(replaced)
    {
        public override Parameter? Bias => null;

        public override Flow Eager(Flow x) => throw new NotSupportedException();

        public override WeightShare? Share(TensorKind kind) => null;

        protected override Tensor Multiply(Tensor x, bool withBias)
        {
            using var sum = x.sum(-1, keepdim: true);
            using var all = sum.expand(x.shape[0], x.shape[1], LocalOutWidth);
            return all.contiguous();
        }
    }

    [Theory]
    [InlineData(ScalarType.Float32, 1, 1e-5)]
    [InlineData(ScalarType.Float32, 8, 1e-5)]
    [InlineData(ScalarType.Float32, 9, 1e-5)]
    [InlineData(ScalarType.BFloat16, 2, 1e-2)]
    [InlineData(ScalarType.Float16, 3, 2e-3)]
    public void Decode_EqualsApply(ScalarType dtype, int rows, double tolerance)
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        using var build = new BuildContext(new BuildOptions { Dtype = dtype });
        using var pass = new PassContext(Inputs);
        foreach (var bias in new[] { false, true })
        {
            var linear = new DenseLinear(build, 37, 19, bias);
            Fill(linear, 5);
            var x = Seeded(6, rows, 1, 37).to(dtype);
            var y = linear.Decode(x, pass);
            Assert.Equal(dtype, y.dtype);
            Weights.Close(linear.Apply(x, pass), y, "decode", tolerance, tolerance);
            var wider = Seeded(7, rows, 1, 50).to(dtype).narrow(-1, 3, 37); // a view, as sections of a fused product are
            Weights.Close(linear.Apply(wider, pass), linear.Decode(wider, pass), "decode of a view", tolerance, tolerance);
        }
    }

    [Theory]
    [InlineData(ScalarType.Float16, 1L << 30)]
    [InlineData(ScalarType.Float16, 37 * 4 * 5)]
    [InlineData(ScalarType.BFloat16, 1)]
    public void WidenedTiles_GiveTheWholeProduct(ScalarType dtype, long tileBytes)
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        Tensor x = Seeded(1, 2, 20, 37).to(dtype), weight = Seeded(2, 19, 37).to(dtype), bias = Seeded(3, 19).to(dtype);
        var exact = nn.functional.linear(x.to(ScalarType.Float64), weight.to(ScalarType.Float64), bias.to(ScalarType.Float64));
        var y = ManyRows.MultiplyWide(x, weight, bias, tileBytes);
        Assert.Equal(dtype, y.dtype);
        Weights.Close(exact, y, "product", 1e-3, dtype == ScalarType.Float16 ? 1e-3 : 8e-3); // one rounding
        Weights.Close(exact, ManyRows.Multiply(x, weight, bias), "the chosen product", 2e-2, 1e-2);
    }

    [Fact]
    public void FusedMembers_AreViewsOfOneStorage_AndStillTrain()
    {
        using var scope = NewDisposeScope();
        using var build = new BuildContext(new BuildOptions { Trainable = true });
        using var pass = new PassContext(Inputs);
        Linear[] members = [new DenseLinear(build, 6, 4, true), new DenseLinear(build, 6, 2, true), new DenseLinear(build, 6, 3, true)];
        var fused = new FusedLinear(build, () => members[0], () => members[1], () => members[2]);
        for (var i = 0; i < 3; i++)
            Fill(members[i], (ulong)i);
        var x = Seeded(9, 2, 3, 6);
        using (no_grad())
            CheckFused();

        var dense = (DenseLinear)members[1];
        Assert.True(dense.Weight.Value.is_leaf && dense.Weight.RequiresGrad);
        var y = members[1].Apply(x, pass);
        y.sum().backward();
        Weights.Close(x.sum(new long[] { 0, 1 }).unsqueeze(0).expand(2, 6), dense.Weight.Value.grad!, "gradient");
        using (no_grad())
        {
            dense.Weight.Value.sub_(dense.Weight.Value.grad!); // a step of SGD writes through to the common storage
            CheckFused();
        }

        void CheckFused()
        {
            var (a, b, c) = fused.Apply3(x, pass);
            Tensor[] parts = [a, b, c];
            for (var i = 0; i < 3; i++)
                Weights.Close(members[i].Apply(x, pass), parts[i], $"member {i}", 1e-5);
            var one = x.narrow(1, 0, 1);
            (a, b, c) = fused.Decode3(one, pass);
            parts = [a, b, c];
            for (var i = 0; i < 3; i++)
                Weights.Close(members[i].Apply(one, pass), parts[i], $"decoded member {i}", 1e-5);
        }
    }

    [Fact]
    public void FusedLinear_WithAReplacedMember_UsesIt()
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        using var build = new BuildContext(new BuildOptions());
        using var pass = new PassContext(Inputs);
        Linear first = new DenseLinear(build, 6, 4), second = new DenseLinear(build, 6, 2);
        var fused = new FusedLinear(build, () => first, () => second);
        Fill(first, 1);
        Fill(second, 2);
        var x = Seeded(9, 2, 1, 6);
        var before = fused.Apply2(x, pass);
        Assert.True(fused.IsFused);
        second = new SumLinear(second);
        Assert.False(fused.IsFused);
        foreach (var (a, b) in new[] { fused.Apply2(x, pass), fused.Decode2(x, pass) })
        {
            Weights.Close(before.Item1, a, "kept member", 1e-5);
            Weights.Close(x.sum(-1, keepdim: true).expand(2, 1, 2), b, "replaced member", 1e-5);
        }
    }

    [SkippableFact]
    public void FusedLinear_WhoseMembersAreGone_HoldsNoMemory()
    {
        using var scope = NewDisposeScope();
        using var build = new BuildContext(new BuildOptions());
        var before = NativeHeap.BytesInUse();
        // Large, for tests that run beside this one allocate and free as well.
        const long Bytes = 2L * 8192 * 8192 * sizeof(float);
        DenseLinear first = new(build, 8192, 8192), second = new(build, 8192, 8192);
        var fused = new FusedLinear(build, () => first, () => second);
        Assert.InRange(NativeHeap.BytesInUse() - before, Bytes * 3 / 4, Bytes * 5 / 4);
        first.Dispose();
        Assert.InRange(NativeHeap.BytesInUse() - before, Bytes * 3 / 4, Bytes * 5 / 4); // the other is a view of the same memory
        second.Dispose();
        Assert.InRange(NativeHeap.BytesInUse() - before, -Bytes / 4, Bytes / 4);
        GC.KeepAlive(fused);
    }

    [Fact]
    public void FusedLinear_WithABiasAddedSince_UsesIt()
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        using var build = new BuildContext(new BuildOptions());
        using var pass = new PassContext(Inputs);
        DenseLinear first = new(build, 6, 4), second = new(build, 6, 2);
        var fused = new FusedLinear(build, () => first, () => second);
        Fill(first, 1);
        Fill(second, 2);
        var x = Seeded(9, 2, 1, 6);
        var before = fused.Apply2(x, pass).Item2;
        second.EnsureBias();
        Weights.Close(before, fused.Apply2(x, pass).Item2, "a bias of zeros", 0);
        second.Bias!.Value.add_(2);
        Weights.Close(before + 2, fused.Apply2(x, pass).Item2, "bias", 1e-6);
        Weights.Close(before + 2, fused.Decode2(x, pass).Item2, "decoded bias", 1e-5);
    }

    [Fact]
    public void UnitRows_DivideEachRowByItsNorm_AndTheGradientGoesThrough()
    {
        using var scope = NewDisposeScope();
        using var build = new BuildContext(new BuildOptions { Trainable = true });
        using var pass = new PassContext(Inputs);
        var head = new DenseLinear(build, 5, 7, unitRows: true);
        Fill(head, 3);
        var x = Seeded(4, 1, 1, 5);
        var weight = head.Weight.Value.detach().clone().requires_grad_();
        var expected = nn.functional.linear(x, weight / weight.pow(2).sum(-1, keepdim: true).sqrt());
        var y = head.Apply(x, pass);
        Weights.Close(expected, y, "logits", 1e-6);
        y.pow(2).sum().backward();
        expected.pow(2).sum().backward();
        Weights.Close(weight.grad!, head.Weight.Value.grad!, "gradient", 1e-6);
        using (no_grad())
        {
            Weights.Close(expected, head.Decode(x, pass), "decode", 1e-6);
            head.Weight.Value.mul_(3).narrow(0, 0, 1).neg_();
            using var written = head.Apply(x, pass); // a prompt notices that the weight was written
            Weights.Close(written, head.Decode(x, pass), "decode after a write", 1e-6);
            Assert.Equal(-expected[0, 0, 0].item<float>(), written[0, 0, 0].item<float>(), 1e-5);
        }
    }

    [Fact]
    public void TiedHead_SharesTheEmbeddingsMatrix()
    {
        using var scope = NewDisposeScope();
        using var build = new BuildContext(new BuildOptions { Trainable = true });
        using var pass = new PassContext(Inputs);
        var embedding = new Embedding(build, 7, 5);
        var head = new DenseLinear(build, 5, 7, tied: embedding);
        Assert.Same(embedding.Weight, head.Weight);
        using (no_grad())
            embedding.Weight.Value.copy_(Seeded(1, 7, 5));
        var ids = tensor(new long[] { 3, 3, 6 }).view(1, 3);
        head.Apply(embedding.Apply(ids, pass), pass).sum().backward();
        var whole = embedding.Weight.Value.detach().clone().requires_grad_();
        nn.functional.linear(whole.index_select(0, ids.view(-1)), whole).sum().backward();
        Weights.Close(whole.grad!, embedding.Weight.Value.grad!, "gradient of both uses", 1e-5);
        Assert.Throws<InvalidInputException>(() => new DenseLinear(build, 5, 8, tied: embedding));
    }

    [Fact]
    public void BuildOnTheMetaDevice_HasShapesWithoutMemory()
    {
        using var model = TinyDecoder.Create(new TinyConfig { Vocab = 200_000, Hidden = 8192, Heads = 64, KvHeads = 8, HeadDim = 128, Ffn = 28672, Layers = 4 },
            new BuildOptions { Device = new Device(DeviceType.META) });
        // Per block: q and o of 8192², k and v of 1024·8192, three of 28672·8192, two norms.
        var block = 2L * 8192 * 8192 + 2L * 1024 * 8192 + 3L * 28672 * 8192 + 2 * 8192;
        Assert.Equal(4 * block + 2L * 200_000 * 8192 + 8192, model.ParameterCount);
    }
}
