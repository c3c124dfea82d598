using Generated.Generators.Graph;
using Generators.Tests.Analysis.Declarations;

namespace Generators.Tests.Analysis;

/// <summary>Widths that contradict each other, each beside the declaration that is right.</summary>
public sealed class WidthTests
{
    private static ConfigSpec Config() => Llama.Config();

    private static ClassBuilder Block() => ClassBuilder.Block("Block", Config(), "layers.{i}");

    [Fact]
    public void Argument_OfAnotherWidth_IsNamedWithBothWidths()
    {
        var block = Block().Linear("Up", "Hidden", "Ffn", "up").Linear("Down", "QWidth", "Hidden", "down")
            .Forward(g => g.Call("Down", g.Call("Up", g.Input))).Build();
        var issue = Assert.Single(Facts.Errors(block));
        Assert.Equal(Issue.At(Anchors.NodeInput("Forward", 2, 0), RuleId.WidthMismatch, "Down", "QWidth = HeadDim·Heads", "Ffn"), issue);
    }

    [Fact]
    public void Widths_WrittenDifferently_AreOne()
    {
        var config = new ConfigBuilder("C").Int("Heads", "h").Int("HeadDim", "d")
            .Width("A", Dim.Atom("Heads") * Dim.Atom("HeadDim") + Dim.Constant(2) * Dim.Atom("HeadDim"))
            .Width("B", (Dim.Constant(2) + Dim.Atom("Heads")) * Dim.Atom("HeadDim")).Build();
        var block = ClassBuilder.Block("Block", config, "layers.{i}").Linear("Up", "A", "B", "up").Linear("Down", "A", "B", "down")
            .Forward(g => g.Call("Down", g.Call("Up", g.Input))).Build();
        Assert.Empty(Facts.Errors(block));
    }

    [Fact]
    public void Residual_OfUnequalWidths_IsNamed()
    {
        var block = Block().Linear("Up", "Hidden", "Ffn", "up").Linear("Down", "Ffn", "Hidden", "down")
            .Forward(g =>
            {
                var up = g.Call("Up", g.Input);
                return g.Call("Down", up) + up;
            }).Build();
        Assert.Equal(Issue.At(Anchors.Node("Forward", 3), RuleId.UnequalWidths, "+", "Hidden", "Ffn"), Assert.Single(Facts.Errors(block)));
    }

    [Fact]
    public void Sections_ThatDoNotCoverTheFlow_AreNamed()
    {
        var block = Block().Linear("Both", "Hidden", "Ffn", "both").Sections("Cut", ["Ffn", "Ffn"]).Linear("Down", "Ffn", "Hidden", "down")
            .Forward(g =>
            {
                var cut = g.Cut("Cut", g.Call("Both", g.Input), "a", "b");
                return g.Call("Down", cut[0] * cut[1]);
            }).Build();
        Assert.Equal(Issue.At(Anchors.NodeInput("Forward", 2, 0), RuleId.SectionSum, "Cut", "2·Ffn", "Ffn"), Assert.Single(Facts.Errors(block)));
    }

    [Fact]
    public void Attention_GivenKeysAsWideAsQueries_IsNamed()
    {
        var block = Block().Linear("Q", "Hidden", "QWidth", "q").Linear("K", "Hidden", "QWidth", "k").Linear("V", "Hidden", "KvWidth", "v")
            .Attention("Attend", "Heads", "KvHeads", "HeadDim", alibi: true).Linear("O", "QWidth", "Hidden", "o")
            .Forward(g => g.Call("O", g.Call("Attend", g.Call("Q", g.Input), g.Call("K", g.Input), g.Call("V", g.Input)))).Build();
        Assert.Equal(
            Issue.At(Anchors.NodeInput("Forward", 4, 1), RuleId.WidthMismatch, "Attend", "HeadDim·KvHeads", "QWidth = HeadDim·Heads"), Assert.Single(Facts.Errors(block)));
    }

    [Fact]
    public void Block_ThatWidens_IsRefused()
    {
        var block = Block().Linear("Up", "Hidden", "Ffn", "up").Forward(g => g.Call("Up", g.Input)).Build();
        Assert.Equal(Issue.At(Anchors.Body("Forward"), RuleId.ResultWidth, "Block", "Hidden", "Ffn"), Assert.Single(Facts.Errors(block)));
    }

    [Fact]
    public void Part_GivenItsWidthsSwapped_IsNamedAtItsCall()
    {
        var block = Block().Use("Mlp", Llama.GatedMlp, "mlp", ["Ffn", "Hidden"]).RmsNorm("Norm", "Hidden", "norm")
            .Forward(g => g.Call("Mlp", g.Call("Norm", g.Input))).Build();
        var issues = Facts.Issues(block, RuleId.WidthMismatch);
        Assert.Equal(["Mlp.Gate", "Mlp.Up"], issues.Select(i => i.Arguments[0]));
        Assert.All(issues, i => Assert.Equal(Anchors.Node("Forward", 2), i.Anchor));
    }

    [Fact]
    public void Head_SharedWithAnEmbeddingOfAnotherShape_IsRefused()
    {
        var model = ClassBuilder.Model("Model", Config(), "m").Embedding("Embed", "Vocab", "Hidden", "embed").Linear("Head", "Hidden", "Ffn", "head", tiedTo: "Embed")
            .Forward(g => g.Call("Head", g.Call("Embed", g.Input))).Build();
        Assert.Equal(
            Issue.At(Anchors.LayerArgument("Head", "TiedTo"), RuleId.TiedShape, "Head", "Embed", "Vocab × Hidden", "Ffn × Hidden"), Assert.Single(Facts.Errors(model)));
    }

    [Fact]
    public void Model_WhoseBlocksTakeAnotherWidth_IsNamed()
    {
        var model = ClassBuilder.Model("Model", Config(), "m").Embedding("Embed", "Vocab", "Ffn", "embed").Repeat("Blocks", Llama.Block(), "Layers")
            .Forward(g => g.Call("Blocks", g.Call("Embed", g.Input))).Build();
        Assert.Equal(Issue.At(Anchors.NodeInput("Forward", 2, 0), RuleId.WidthMismatch, "Blocks", "Hidden", "Ffn"), Assert.Single(Facts.Errors(model)));
    }

    [Fact]
    public void Rules_WithoutAQuotient_KeepWidthsApart()
    {
        var rules = new Generated.Generators.Analysis.WidthRules(null);
        Assert.False(rules.AreSame(Dim.Atom("Hidden"), Dim.Atom("Heads") * Dim.Atom("HeadDim")));
        var known = new Generated.Generators.Analysis.WidthRules(ChatGlm.Config());
        Assert.True(known.AreSame(Dim.Constant(3) * Dim.Atom("Hidden"), Dim.Constant(3) * Dim.Atom("Heads") * Dim.Atom("HeadDim")));
        Assert.False(known.AreSame(Dim.Constant(2) * Dim.Atom("Hidden"), Dim.Constant(3) * Dim.Atom("Heads") * Dim.Atom("HeadDim")));
    }
}
