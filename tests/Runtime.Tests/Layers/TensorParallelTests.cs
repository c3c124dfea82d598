using Generated;
using Generated.Layers;
using Generated.Parallel;
using Generated.Passes;
using TorchSharp;
using static TorchSharp.torch;

namespace Runtime.Tests.Layers;

/// <summary>Any number of ranks gives what one rank gives: logits, loss, gradients, decoding.</summary>
public sealed class TensorParallelTests
{
    private static readonly (string Name, TinyConfig Config)[] Configs =
    [
        ("plain", new() { Bias = true, Heads = 4, KvHeads = 4 }),
        ("fewer key/value heads than ranks", new() { Bias = true, Heads = 8, KvHeads = 2 }),
        ("one key/value head", new() { Heads = 4, KvHeads = 1, LayerNorm = true }),
        ("tied, uneven vocabulary", new() { Vocab = 61, Tied = true }),
        ("ALiBi", new() { IsRotary = false, Alibi = true, Heads = 12, KvHeads = 12 }),
        ("unit rows", new() { UnitRows = true }),
    ];

    public static TheoryData<string, int> Cases
    {
        get
        {
            var data = new TheoryData<string, int>();
            foreach (var (name, _) in Configs)
                foreach (var ranks in new[] { 2, 4 })
                    data.Add(name, ranks);
            return data;
        }
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void Ranks_GiveWhatOneGives(string name, int ranks)
    {
        using var scope = NewDisposeScope();
        var config = Configs.First(c => c.Name == name).Config;
        using var whole = Weights.Model(config, new BuildOptions { Trainable = true });
        var weights = Weights.Random(whole);
        var batch = new TokenBatch(2, 6, [1, 5, 9, 60, 3, 2, 0, 0, 7, 8, 33, 59], [true, true, true, true, true, true, false, false, true, true, true, true]);
        using var ids = batch.ToTensor(CPU);
        using var pass = new PassContext(whole.Inputs.Prompt(batch));
        var logits = whole.Full(ids, pass);
        var loss = nn.functional.cross_entropy(logits.view(-1, config.Vocab), ids.view(-1));
        loss.backward();
        var gradients = whole.Weights().Where(w => !w.IsTied).ToDictionary(w => w.Name, w => w.Parameter!.Value.grad!);

        ThreadCollective.Run(ranks, group =>
        {
            using var inner = NewDisposeScope();
            using var model = TinyDecoder.Create(config, new BuildOptions { TensorParallel = group, Trainable = true });
            Weights.Fill(model, weights);
            Assert.True(model.Parameters().Sum(p => p.Value.numel()) < whole.Parameters().Sum(p => p.Value.numel()));
            Assert.Equal(whole.ParameterCount, model.ParameterCount);

            using (no_grad())
            {
                using var full = new PassContext(model.Inputs.Prompt(batch));
                Weights.Close(logits, model.Full(ids, full), "logits");
                Weights.Close(logits, model.Eager(ids, full), "eager logits");
                using var cache = model.NewCache(2, 6);
                var first = new TokenBatch(2, 5, [.. Enumerable.Range(0, 10).Select(i => batch[i / 5, i % 5])], [.. Enumerable.Range(0, 10).Select(i => batch.IsReal(i / 5, i % 5))]);
                var inputs = model.Inputs.Prompt(first);
                using var prefill = new PassContext(inputs, cache);
                Weights.Close(logits.narrow(1, 4, 1), model.Prefill(ids.narrow(1, 0, 5), prefill), "prefill");
                using var step = new PassContext(model.Inputs.Continue(inputs), cache);
                Weights.Close(logits.narrow(1, 5, 1), model.Decode(ids.narrow(1, 5, 1), step), "decode");
            }

            using var parts = new PassContext(model.Inputs.Prompt(batch)) { GatherLogits = false };
            var part = model.Full(ids, parts);
            var range = VocabRange.Of(config.Vocab, group);
            Assert.Equal(range.Length, part.shape[^1]);
            var partialLoss = VocabParallel.CrossEntropy(part, ids, range, group);
            Weights.Close(loss, partialLoss, "loss", 1e-5);
            GradientNode.Backpropagate(partialLoss);
            CheckGradients("divided loss");

            foreach (var parameter in model.Parameters())
                parameter.Value.grad!.zero_();
            using var joined = new PassContext(model.Inputs.Prompt(batch));
            GradientNode.Backpropagate(nn.functional.cross_entropy(model.Full(ids, joined).view(-1, config.Vocab), ids.view(-1)));
            CheckGradients("joined loss");
            return 0;

            void CheckGradients(string what)
            {
                foreach (var slot in model.Weights().Where(w => !w.IsTied))
                    foreach (var piece in slot.Pieces())
                    {
                        var axis = Math.Max(slot.ShardAxis, 0);
                        Weights.Close(
                            gradients[slot.Name].narrow(axis, piece.Source.Start, piece.Source.Length),
                            slot.Parameter!.Value.grad!.narrow(axis, piece.Target, piece.Source.Length), $"{what}: gradient of {slot.Name}");
                    }
            }
        });
    }

    [Fact]
    public void SequenceParallel_WhereTheStructureForbidsIt_IsRefusedWithTheReason()
    {
        var e = Assert.Throws<InvalidInputException>(() => TinyDecoder.Create(new TinyConfig(), new BuildOptions { SequenceParallel = true }));
        Assert.Contains("cannot be divided by positions: TinyDecoder: it is written by hand", e.Message);
    }

    /// <summary>A fused projection whose sections are divided one by one (ChatGLM2), and one that lies head by head (Bloom).</summary>
    [Theory]
    [InlineData(2, false)]
    [InlineData(4, false)]
    [InlineData(2, true)]
    [InlineData(4, true)]
    public void FusedProjection_IsDividedBySectionOrGroup(int ranks, bool grouped)
    {
        using var scope = NewDisposeScope();
        const int heads = 8, kvHeads = 2, dim = 3, hidden = 5;
        int[] widths = grouped ? [dim, dim, dim] : [heads * dim, kvHeads * dim, kvHeads * dim];
        var width = grouped ? 3 * dim * heads : widths.Sum();
        var kv = grouped ? heads : kvHeads;
        using var generator = new Generator(1);
        var weight = randn([width, hidden], generator: generator).requires_grad_();
        var bias = randn([width], generator: generator).requires_grad_();
        var x = randn([2, 4, hidden], generator: generator);
        var slope = randn([2, 4, heads * dim], generator: generator);
        using var build = new BuildContext(new BuildOptions());
        var inputs = new SequenceInputs(2, 4, 0, new long[8], AttentionMask.Causal);
        using var pass = new PassContext(inputs);
        var (q, k, v) = new Sections(build, widths, grouped ? heads : 0).Apply3(nn.functional.linear(x, weight, bias));
        var expected = new Attention(build, heads, kv, dim).Apply(q, k, v, pass);
        (expected * slope).sum().backward();

        ThreadCollective.Run(ranks, group =>
        {
            using var inner = NewDisposeScope();
            using var local = new BuildContext(new BuildOptions { TensorParallel = group, Trainable = true });
            var shard = grouped ? Shard.Groups(heads) : Shard.Sections(dim, widths);
            var linear = new DenseLinear(local, hidden, width, bias: true, shard: shard);
            var sections = new Sections(local, widths, grouped ? heads : 0, shard);
            var attention = new Attention(local, heads, kv, dim);
            using var own = new PassContext(inputs);
            using (no_grad())
            {
                linear.Weight.Value.copy_(Own(weight));
                linear.Bias!.Value.copy_(Own(bias));
            }

            var (a, b, c) = sections.Apply3(linear.Apply(x, own));
            var result = attention.Apply(a, b, c, own);
            var start = group.Rank * heads * dim / ranks;
            Weights.Close(expected.narrow(-1, start, heads * dim / ranks), result, "attention", 1e-5);
            GradientNode.Backpropagate((result * slope.narrow(-1, start, heads * dim / ranks)).sum());
            Weights.Close(Own(weight.grad!), linear.Weight.Value.grad!, "weight's gradient", 1e-5);
            Weights.Close(Own(bias.grad!), linear.Bias.Value.grad!, "bias' gradient", 1e-5);
            return 0;

            Tensor Own(Tensor all) => cat([.. linear.OutputRanges.Select(r => all.narrow(0, r.Start, r.Length))], 0);
        });
    }

    [Theory]
    [InlineData(6, 4, "divides 6")]
    [InlineData(10, 3, "divides 10")]
    public void HeadsThatDoNotDivide_AreRefused(int heads, int ranks, string hint)
    {
        var errors = ThreadCollective.Run(ranks, group =>
        {
            using var build = new BuildContext(new BuildOptions { TensorParallel = group });
            return Assert.Throws<InvalidInputException>(() => new DenseLinear(build, 4, heads * 8, shard: Shard.Column(8))).Message
                + Assert.Throws<InvalidInputException>(() => new Attention(build, heads, heads, 8)).Message;
        });
        Assert.All(errors, e => Assert.Contains(hint, e, StringComparison.Ordinal));
    }
}
