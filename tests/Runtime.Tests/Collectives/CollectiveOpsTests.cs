using Generated.Parallel;
using TorchSharp;
using static TorchSharp.torch;

namespace Runtime.Tests.Collectives;

/// <summary>Parallel layers on 1, 2 and 4 ranks against libtorch's own result on the whole tensors.</summary>
public class CollectiveOpsTests
{
    private const int Width = 8, Inner = 16, Vocabulary = 14;

    private static Tensor Seeded(long seed, params long[] shape)
    {
        using var generator = new Generator((ulong)seed);
        return randn(shape, generator: generator);
    }

    private static Tensor Slice(Tensor whole, ICollective group, int dim)
    {
        var n = whole.shape[dim] / group.Size;
        return whole.narrow(dim, group.Rank * n, n).clone();
    }

    private static void Close(Tensor expected, Tensor? actual, string what)
    {
        Assert.True(actual is not null, $"{what} is missing");
        using var difference = (expected - actual!).abs().max();
        Assert.True(expected.shape.SequenceEqual(actual!.shape) && difference.item<float>() < 1e-5f, $"{what} differs by {difference.item<float>()}");
    }

    /// <summary>A column-parallel and a row-parallel linear with biases and a GELU between, and all gradients.</summary>
    [Theory]
    [InlineData(1, false)]
    [InlineData(2, false)]
    [InlineData(4, false)]
    [InlineData(2, true)]
    [InlineData(4, true)]
    public void Mlp_EqualsTheWholeOne(int size, bool sequenceParallel)
    {
        using var scope = NewDisposeScope();
        var x = Seeded(1, 2, 8, Width).requires_grad_();
        var (w1, b1) = (Seeded(2, Inner, Width).requires_grad_(), Seeded(3, Inner).requires_grad_());
        var (w2, b2) = (Seeded(4, Width, Inner).requires_grad_(), Seeded(5, Width).requires_grad_());
        var slope = Seeded(6, 2, 8, Width);
        var y = nn.functional.linear(nn.functional.gelu(nn.functional.linear(x, w1, b1)), w2, b2);
        (y * slope).sum().backward();

        ThreadCollective.Run(size, group =>
        {
            using var inner = NewDisposeScope();
            var (v1, c1) = (Slice(w1.detach(), group, 0).requires_grad_(), Slice(b1.detach(), group, 0).requires_grad_());
            var (v2, c2) = (Slice(w2.detach(), group, 1).requires_grad_(), b2.detach().clone().requires_grad_());
            var input = sequenceParallel ? Slice(x.detach(), group, 1).requires_grad_() : x.detach().clone().requires_grad_();
            var entered = sequenceParallel ? CollectiveOps.GatherFromSequenceParallel(input, group) : CollectiveOps.CopyToTensorParallel(input, group);
            var partial = nn.functional.linear(nn.functional.gelu(nn.functional.linear(entered, v1, c1)), v2);
            var left = (sequenceParallel ? CollectiveOps.ReduceScatterToSequenceParallel(partial, group) : CollectiveOps.ReduceFromTensorParallel(partial, group)) + c2;
            Close(sequenceParallel ? Slice(y.detach(), group, 1) : y.detach(), left.detach(), "output");
            GradientNode.Backpropagate((left * (sequenceParallel ? Slice(slope, group, 1) : slope)).sum());

            Close(sequenceParallel ? Slice(x.grad!, group, 1) : x.grad!, input.grad, "input gradient");
            Close(Slice(w1.grad!, group, 0), v1.grad, "first weight gradient");
            Close(Slice(b1.grad!, group, 0), c1.grad, "first bias gradient");
            Close(Slice(w2.grad!, group, 1), v2.grad, "second weight gradient");
            var bias = c2.grad!.clone();
            if (sequenceParallel)
                group.AllReduce(bias);
            Close(b2.grad!, bias, "second bias gradient");
        });
        Assert.Equal(0, NodeSlot.Living);
    }

    [Theory]
    [InlineData(2, -1)]
    [InlineData(4, 0)]
    [InlineData(2, 1)]
    public void GatherAndScatter_AreEachOthersGradient(int size, int dim) =>
        ThreadCollective.Run(size, group =>
        {
            using var scope = NewDisposeScope();
            var whole = Seeded(7, 4, 4, 8);
            var slope = Seeded(8, 4, 4, 8);
            var axis = dim < 0 ? 2 : dim;

            var part = Slice(whole, group, axis).requires_grad_();
            var gathered = CollectiveOps.GatherFromTensorParallel(part, group, dim);
            Close(whole, gathered.detach(), "gathered");
            GradientNode.Backpropagate((gathered * slope).sum());
            Close(Slice(slope, group, axis), part.grad, "gradient of gather");

            var full = whole.clone().requires_grad_();
            var scattered = CollectiveOps.ScatterToTensorParallel(full, group, dim);
            Close(Slice(whole, group, axis), scattered.detach(), "scattered");
            GradientNode.Backpropagate((scattered * Slice(slope, group, axis)).sum());
            Close(slope, full.grad, "gradient of scatter");
        });

    /// <summary>Embedding, tied head and loss over a vocabulary that 4 ranks do not divide; one ignored target.</summary>
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(4)]
    public void TiedVocabulary_EqualsTheWholeOne(int size)
    {
        using var scope = NewDisposeScope();
        var table = Seeded(9, Vocabulary, Width).requires_grad_();
        var ids = tensor(new long[] { 0, 3, 13, 7, 7, 12, 1, 4 }, [2, 4]);
        var targets = tensor(new long[] { 3, 13, 7, -100, 12, 1, 4, 0 }, [2, 4]);
        var hidden = table.index_select(0, ids.view(-1));
        var logits = nn.functional.linear(hidden, table);
        var loss = nn.functional.cross_entropy(logits, targets.view(-1), ignore_index: -100);
        loss.backward();

        ThreadCollective.Run(size, group =>
        {
            using var inner = NewDisposeScope();
            var range = VocabRange.Of(Vocabulary, group);
            var mine = table.detach().narrow(0, range.Start, range.Length).clone().requires_grad_();
            var embedded = VocabParallel.Embedding(ids, mine, range, group);
            Close(hidden.detach().view(2, 4, Width), embedded.detach(), "embedding");
            var local = nn.functional.linear(CollectiveOps.CopyToTensorParallel(embedded, group), mine);
            Close(logits.detach().view(2, 4, Vocabulary), VocabParallel.GatherLogits(local, range, group), "logits");
            var parallel = VocabParallel.CrossEntropy(local, targets, range, group);
            Close(loss.detach(), parallel.detach(), "loss");
            GradientNode.Backpropagate(parallel);
            Close(table.grad!.narrow(0, range.Start, range.Length), mine.grad, "table gradient");
        });
    }

    [Fact]
    public void VocabularyTooSmallForTheRanks_IsRefused()
    {
        var e = Assert.Throws<CollectiveException>(() => ThreadCollective.Run(4, group => VocabRange.Of(6, group)));
        Assert.IsType<Generated.InvalidInputException>(e.InnerException);
        Assert.Contains("vocabulary of 6", e.Message);
    }

    [Fact]
    public void FailureInTheBackwardPass_IsThrownToTheCaller()
    {
        using var x = ones([2], requires_grad: true);
        using var y = new Failing().Apply(x);
        using var sum = y.sum();
        var e = Assert.Throws<InvalidOperationException>(() => GradientNode.Backpropagate(sum));
        Assert.Equal("no gradient today", e.Message);

        // A plain backward() cannot throw it; the next operation does.
        using var z = new Failing().Apply(x);
        using var total = z.sum();
        total.backward();
        Assert.Throws<InvalidOperationException>(() => new Failing().Apply(x));
    }

    [Fact]
    public void FailingRankInTheBackwardPass_ReleasesTheOthers()
    {
        var e = Assert.Throws<CollectiveException>(() => ThreadCollective.Run(2, group =>
        {
            using var x = ones([2], requires_grad: true);
            using var entered = CollectiveOps.CopyToTensorParallel(x, group);
            using var y = group.Rank == 1 ? new Failing().Apply(entered) : entered.alias();
            using var sum = y.sum();
            GradientNode.Backpropagate(sum);
        }));
        Assert.Contains("no gradient today", e.Message);
    }

    private sealed class Failing : GradientNode
    {
        protected override Tensor Forward(Tensor input) => input.alias();

        protected override Tensor Backward(Tensor gradient) => throw new InvalidOperationException("no gradient today");
    }
}
