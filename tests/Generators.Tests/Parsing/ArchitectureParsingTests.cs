using Generated.Generators.Graph;
using Generators.Tests.Declarations;

namespace Generators.Tests.Parsing;

/// <summary>Architectures that differ from LLaMA in every way the language has to carry.</summary>
public sealed class ArchitectureParsingTests
{
    [Fact]
    public void ChatGlm_KeepsItsScaledPostNormResidual()
    {
        var block = Parse.Class("ChatGlmBlock", Declared.ChatGlm);

        Assert.Equal(
            """
            0 Input()
            1 a = AttnNorm(0)
            2 Scale(1) by Alpha
            3 Qkv(1)
            4 Cut(3)
            5 q = Section(4) part 0
            6 k = Section(4) part 1
            7 v = Section(4) part 2
            8 Rope(5)
            9 Rope(6)
            10 Attend(8, 9, 7)
            11 Dense(10)
            12 h = Add(2, 11)
            13 m = MlpNorm(12)
            14 Scale(13) by Alpha
            15 Up(13)
            16 GeluTanh(15)
            17 Down(16)
            18 Add(14, 17)
            return 18
            """,
            block.Bodies[0].Text());
        var cut = Assert.IsType<SectionsSpec>(block.Layer("Cut"));
        Assert.Equal("c.Heads", cut.Groups!.Code);
        Assert.Equal(3, cut.Widths.Count);
        Assert.Equal(PositionChoice.SequenceAndBlock, Assert.IsType<RotarySpec>(block.Layer("Rope")).Positions);
        Assert.True(Assert.IsType<AttentionSpec>(block.Layer("Attend")).Prefix);
        Assert.True(Assert.IsType<NormSpec>(block.Layer("AttnNorm")).Bias);
        Assert.Equal(Dim.Constant(3) * Dim.Atom("Hidden"), Assert.IsType<LinearSpec>(block.Layer("Qkv")).Output.Value);
    }

    [Fact]
    public void ChatGlm_NamesItsInputs() =>
        Assert.Equal("global::Declared.GlmInputs", Parse.Class("ChatGlm", Declared.ChatGlm).Model!.InputScheme);

    [Fact]
    public void Bloom_HasBothWirings()
    {
        var block = Parse.Class("BloomBlock", Declared.Bloom);

        Assert.Equal(["Forward", "ForwardPostNormResidual"], block.Bodies.Select(b => b.Method));
        Assert.Equal([null, "c.PostNormResidual"], block.Bodies.Select(b => b.When));
        Assert.Equal([0, 8], Sum(block.Bodies[0], 9));
        Assert.Equal([1, 8], Sum(block.Bodies[1], 9));
        Assert.True(Assert.IsType<AttentionSpec>(block.Layer("Attend")).Alibi);
    }

    [Fact]
    public void Bloom_NormalisesItsEmbeddingAndTiesItsHead()
    {
        var model = Parse.Class("Bloom", Declared.Bloom);

        Assert.Equal(["Embed", "EmbedNorm", "Blocks", "FinalNorm", "Head"], model.Bodies[0].Nodes.Skip(1).Select(n => n.Layer));
        var head = Assert.IsType<LinearSpec>(model.Layer("Head"));
        Assert.Equal("Embed", head.TiedTo);
        Assert.Null(head.TiedWhen);
        Assert.Equal("transformer", model.Model!.OptionalPrefix);
        Assert.Equal(["hidden_size", "n_embed"], model.Config!.Property("Hidden")!.Keys);
        Assert.Equal([new QuotientSpec("HeadDim", Dim.Atom("Hidden"), Dim.Atom("Heads"))], model.Config.Quotients);
    }

    [Fact]
    public void GptJ_RunsBothBranchesFromOneNorm()
    {
        var block = Parse.Class("GptJBlock", Declared.GptJ);

        Assert.Equal(
            """
            0 Input()
            1 n = Norm(0)
            2 Q(1)
            3 Rope(2)
            4 K(1)
            5 Rope(4)
            6 V(1)
            7 Attend(3, 5, 6)
            8 attention = O(7)
            9 Up(1)
            10 GeluTanh(9)
            11 Down(10)
            12 Add(8, 11)
            13 Add(12, 0)
            return 13
            """,
            block.Bodies[0].Text());
        var rope = Assert.IsType<RotarySpec>(block.Layer("Rope"));
        Assert.True(rope.Adjacent);
        Assert.Equal("c.RotaryDim", rope.Dim!.Code);
        Assert.Equal(16384, block.Config!.Presets[0].Value("Ffn"));
        Assert.Equal(256, block.Config.Presets[0].Value("HeadDim"));
    }

    private static IEnumerable<int> Sum(BodySpec body, int node)
    {
        Assert.Equal(NodeOp.Add, body.Nodes[node].Op);
        return body.Nodes[node].Inputs;
    }
}
