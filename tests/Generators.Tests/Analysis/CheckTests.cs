using Generated.Generators.Graph;
using Generators.Tests.Analysis.Declarations;

namespace Generators.Tests.Analysis;

/// <summary>Names, positions, presets: each mistake, and its absence in the declarations that are right.</summary>
public sealed class CheckTests
{
    private static ClassBuilder Block(ConfigSpec? config = null) => ClassBuilder.Block("Block", config ?? Llama.Config(), "layers.{i}");

    [Fact]
    public void Name_UsedTwice_IsRefused()
    {
        var block = Block().Linear("Up", "Hidden", "Ffn", "mlp").Linear("Down", "Ffn", "Hidden", "mlp").Forward(g => g.Call("Down", g.Call("Up", g.Input))).Build();
        Assert.Equal(Issue.At(Anchors.LayerName("Down"), RuleId.DuplicateName, "layers.{i}.mlp", "Down", "Up"), Assert.Single(Facts.Errors(block)));
    }

    [Fact]
    public void Name_ThatAPartGivesAgain_IsRefused()
    {
        var block = Block().Linear("Gate", "Hidden", "Hidden", "mlp.gate_proj").Use("Mlp", Llama.GatedMlp, "mlp", ["Hidden", "Ffn"])
            .Forward(g => g.Call("Mlp", g.Call("Gate", g.Input))).Build();
        Assert.Equal(Issue.At(Anchors.Layer("Mlp"), RuleId.DuplicateName, "layers.{i}.mlp.gate_proj", "Mlp.Gate", "Gate"), Assert.Single(Facts.Errors(block)));
    }

    [Fact]
    public void PaddleName_UsedTwice_IsRefused()
    {
        var block = ClassBuilder.Block("Block", Llama.Config(), "layers.{i}", "paddle.{i}").Linear("Up", "Hidden", "Ffn", "up", paddle: "linear1")
            .Linear("Down", "Ffn", "Hidden", "down", paddle: "linear1").Forward(g => g.Call("Down", g.Call("Up", g.Input))).Build();
        Assert.Equal(Issue.At(Anchors.LayerName("Down"), RuleId.DuplicateName, "paddle.{i}.linear1", "Down", "Up"), Assert.Single(Facts.Errors(block)));
    }

    [Fact]
    public void Names_OfTheSameBlocksTwice_AreRefused()
    {
        var model = ClassBuilder.Model("Model", Llama.Config(), "m").Embedding("Embed", "Vocab", "Hidden", "embed")
            .Repeat("First", Llama.Block(), "Layers").Repeat("Second", Llama.Block(), "Layers")
            .Forward(g => g.Call("Second", g.Call("First", g.Call("Embed", g.Input)))).Build();
        Assert.Equal(9, Facts.Issues(model, RuleId.DuplicateName).Length);
    }

    [Fact]
    public void Attention_WithoutPositions_IsNotedInTheModel()
    {
        var block = Block().Linear("Q", "Hidden", "QWidth", "q").Linear("K", "Hidden", "QWidth", "k").Linear("V", "Hidden", "QWidth", "v")
            .Attention("Attend", "Heads", "Heads", "HeadDim").Linear("O", "QWidth", "Hidden", "o")
            .Forward(g => g.Call("O", g.Call("Attend", g.Call("Q", g.Input), g.Call("K", g.Input), g.Call("V", g.Input)))).Build();
        var model = ClassBuilder.Model("Model", Llama.Config(), "m").Embedding("Embed", "Vocab", "Hidden", "embed").Repeat("Blocks", block, "Layers")
            .Forward(g => g.Call("Blocks", g.Call("Embed", g.Input))).Build();
        Assert.Empty(Facts.Errors(block)); // the model may have position embeddings
        Assert.Equal(Issue.At(Anchors.Layer("Blocks"), RuleId.NoPositions, "Block.Attend"), Assert.Single(Facts.Errors(model)));
    }

    [Fact]
    public void Attention_WithRotatedQueriesOnly_IsRefused()
    {
        var block = Block().Linear("Q", "Hidden", "QWidth", "q").Linear("K", "Hidden", "QWidth", "k").Linear("V", "Hidden", "QWidth", "v").Rotary("Rope", "HeadDim")
            .Attention("Attend", "Heads", "Heads", "HeadDim").Linear("O", "QWidth", "Hidden", "o")
            .Forward(g => g.Call("O", g.Call("Attend", g.Call("Rope", g.Call("Q", g.Input)), g.Call("K", g.Input), g.Call("V", g.Input)))).Build();
        Assert.Equal(Issue.At(Anchors.Node("Forward", 5), RuleId.HalfRotated, "Attend", "queries", "keys"), Assert.Single(Facts.Errors(block)));
    }

    [Theory]
    [InlineData(32, 128, null)]
    [InlineData(12, 128, RuleId.KvHeads)]
    [InlineData(32, 127, RuleId.OddHeadWidth)]
    public void Preset_WithImpossibleHeads_IsRefusedWithItsNumbers(int heads, int headDim, string? rule)
    {
        var config = new ConfigBuilder("C").Int("Vocab", "v").Int("Hidden", "h").Int("Heads", "n").Int("KvHeads", "k").Int("HeadDim", "d").Int("Ffn", "f")
            .Width("QWidth", Dim.Atom("Heads") * Dim.Atom("HeadDim")).Width("KvWidth", Dim.Atom("KvHeads") * Dim.Atom("HeadDim"))
            .Preset("p", [], ("Vocab", 1), ("Hidden", 64), ("Heads", heads), ("KvHeads", 8), ("HeadDim", headDim), ("Ffn", 64)).Build();
        var errors = Facts.Errors(Llama.Block(config));
        Assert.Equal(rule is null ? [] : new[] { rule }, errors.Select(e => e.RuleId));
        if (rule == RuleId.KvHeads) Assert.Equal(["p", "12", "8", "Attend"], errors[0].Arguments);
        if (rule == RuleId.OddHeadWidth) Assert.Equal(["Rope", "p", "127"], errors[0].Arguments);
    }

    [Fact]
    public void Degree_ThatDoesNotDivideTheMlp_NamesThePresetAndTheNumber()
    {
        var issues = Facts.Issues(Llama.Block(Llama.Config(2, 512)), RuleId.TensorParallelDegree);
        Assert.Equal(
            ["Heads is 32", "Ffn is 11008"],
            issues.Where(i => i.Arguments[4] != "Mlp.Up").Select(i => $"{i.Arguments[2]} is {i.Arguments[3]}"));
        Assert.All(issues, i => Assert.Equal(["llama-7b", "512"], i.Arguments.Take(2)));
        Assert.All(issues, i => Assert.Equal(Anchors.Preset("llama-7b"), i.Anchor));
    }

    [Fact]
    public void AbsentProjection_BetweenUnequalWidths_IsRefusedForThatPreset()
    {
        var config = new ConfigBuilder("C").Int("Vocab", "v").Int("Hidden", "h").Int("EmbedWidth", "e").Flag("IsProjected")
            .Preset("wrong", [], ("Vocab", 8), ("Hidden", 64), ("EmbedWidth", 32), ("IsProjected", 0))
            .Preset("right", [], ("Vocab", 8), ("Hidden", 64), ("EmbedWidth", 32), ("IsProjected", 1)).Build();
        var model = ClassBuilder.Model("Model", config, "m").Embedding("Embed", "Vocab", "EmbedWidth", "embed")
            .Linear("ProjectIn", "EmbedWidth", "Hidden", "in", when: "IsProjected").Linear("Head", "Hidden", "Vocab", "head")
            .Forward(g => g.Call("Head", g.Call("ProjectIn", g.Call("Embed", g.Input)))).Build();
        var issue = Assert.Single(Facts.Errors(model));
        Assert.Equal(RuleId.WidthMismatch, issue.RuleId);
        Assert.Equal(["ProjectIn, absent in preset wrong,", "Hidden = 64", "EmbedWidth = 32"], issue.Arguments);
    }

    [Fact]
    public void Broken_Classes_AreNotAnalysed()
    {
        var broken = Llama.Block() with { IsBroken = true };
        Assert.Empty(Generated.Generators.Analysis.Analyzer.Issues(broken));
        var model = ClassBuilder.Model("Model", Llama.Config(), "m").Embedding("Embed", "Vocab", "Ffn", "embed").Repeat("Blocks", broken, "Layers")
            .Forward(g => g.Call("Blocks", g.Call("Embed", g.Input))).Build();
        Assert.Empty(Generated.Generators.Analysis.Analyzer.Issues(model));
    }
}
