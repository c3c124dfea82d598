using Generated.Generators.Analysis;
using Generated.Generators.Graph;
using Generators.Tests.Analysis.Declarations;

namespace Generators.Tests.Analysis;

/// <summary>Which declarations can divide norms and residuals by positions, and where positions are exchanged then.</summary>
public sealed class SequenceParallelTests
{
    private static string[] Exchanges(ClassSpec spec, string suffix = "Forward")
    {
        var sequence = Planner.Plan(spec).Wirings.Single(w => w.Suffix == suffix).Sequence;
        Assert.Null(sequence.Obstacle);
        return [.. sequence.Exchanges.Select(e => $"{e.Kind} {e.Path}{(e.When is null ? "" : $" if {e.When}")}")];
    }

    private static string? Obstacle(ClassSpec spec)
    {
        var sequence = Assert.Single(Planner.Plan(spec).Wirings).Sequence;
        Assert.Empty(sequence.Exchanges);
        return sequence.Obstacle;
    }

    [Fact]
    public void PreNormBlock_GathersOncePerSharedInput() => Assert.Equal(
        ["GatherBefore Q", "ReduceScatterAfter O", "GatherBefore Mlp.Gate", "ReduceScatterAfter Mlp.Down"], Exchanges(Llama.Block()));

    [Fact]
    public void PostNormBlock_DividesItsScaledShortcutsToo() => Assert.Equal(
        ["GatherBefore Qkv", "ReduceScatterAfter Dense", "GatherBefore Up", "ReduceScatterAfter Down"], Exchanges(ChatGlm.Block()));

    [Fact]
    public void ParallelBlock_GathersTheOneNormOnce() => Assert.Equal(
        ["GatherBefore Q", "ReduceScatterAfter O", "ReduceScatterAfter Down"], Exchanges(GptJ.Block()));

    [Fact]
    public void Model_ScattersTheEmbeddingAndGathersBeforeTheHead() => Assert.Equal(
        ["ReduceScatterAfter Embed", "GatherBefore Head"], Exchanges(Llama.Model()));

    [Fact]
    public void WholeLinears_AndPositionTables_AreCutBehind() => Assert.Equal(
        [
            "ReduceScatterAfter Embed", "GatherAround ProjectIn if c.IsProjected", "ScatterAfter Positions",
            "GatherAround ProjectOut if c.IsProjected", "GatherBefore Head",
        ], Exchanges(Opt.Model()));

    [Fact]
    public void NormBetweenQueriesAndAttention_IsAnObstacle()
    {
        var block = ClassBuilder.Block("Block", Llama.Config(), "layers.{i}")
            .Linear("Q", "Hidden", "QWidth", "q").RmsNorm("QNorm", "QWidth", "q_norm").Linear("K", "Hidden", "KvWidth", "k").Linear("V", "Hidden", "KvWidth", "v")
            .Attention("Attend", "Heads", "KvHeads", "HeadDim").Linear("O", "QWidth", "Hidden", "o")
            .Forward(g => g.Call("O", g.Call("Attend", g.Call("QNorm", g.Call("Q", g.Input)), g.Call("K", g.Input), g.Call("V", g.Input)))).Build();
        Assert.Equal("'Attend' needs all positions of values that are not divided by heads", Obstacle(block));
    }

    [Fact]
    public void HeadThatStaysWhole_IsAnObstacle()
    {
        var model = ClassBuilder.Model("Model", Llama.Config(), "model")
            .Embedding("Embed", "Vocab", "Hidden", "embed").Repeat("Blocks", Llama.Block(), "Layers").Linear("Head", "Hidden", "Vocab", "head", split: SplitChoice.Replicated)
            .Forward(g => g.Call("Head", g.Call("Blocks", g.Call("Embed", g.Input)))).Build();
        Assert.Equal("the result of 'Head' is not divided over the vocabulary", Obstacle(model));
    }
}
