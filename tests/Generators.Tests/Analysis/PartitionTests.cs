using Generated.Generators.Analysis;
using Generated.Generators.Graph;
using Generators.Tests.Analysis.Declarations;

namespace Generators.Tests.Analysis;

/// <summary>Divisions beyond those of the architectures: what a norm or a residual in between does, and what an author may demand.</summary>
public sealed class PartitionTests
{
    private static ClassBuilder Block() => ClassBuilder.Block("Block", Llama.Config(), "layers.{i}");

    [Fact]
    public void Norm_BetweenTwoLinears_KeepsBothWhole()
    {
        var block = Block().Linear("Up", "Hidden", "Ffn", "up").RmsNorm("Norm", "Ffn", "norm").Linear("Down", "Ffn", "Hidden", "down")
            .Forward(g => g.Call("Down", g.Call("Norm", g.Call("Up", g.Input)))).Build();
        Assert.Equal(["Up replicated", "Down replicated"], Facts.Splits(block));
        Assert.Empty(Facts.Exchanges(block));
    }

    [Fact]
    public void ThirdLinear_OfAChain_StaysWhole()
    {
        var block = Block().Linear("A", "Hidden", "Ffn", "a").Linear("B", "Ffn", "Ffn", "b").Linear("C", "Ffn", "Hidden", "c")
            .Forward(g => g.Call("C", g.Apply(NodeOp.Relu, g.Call("B", g.Apply(NodeOp.Relu, g.Call("A", g.Input)))))).Build();
        Assert.Equal(["A column", "B row", "C replicated"], Facts.Splits(block));
    }

    [Fact]
    public void Column_DemandedInFrontOfANorm_IsRefusedWithTheReason()
    {
        var block = Block().Linear("Up", "Hidden", "Hidden", "up", split: SplitChoice.Column).RmsNorm("Norm", "Hidden", "norm")
            .Forward(g => g.Call("Norm", g.Call("Up", g.Input))).Build();
        Assert.Equal(
            Issue.At(Anchors.LayerArgument("Up", "Partition"), RuleId.Partition, "Up", "columns", "its result must be whole for the norm 'Norm'"), Assert.Single(Facts.Errors(block)));
    }

    [Fact]
    public void Row_DemandedBehindAWholeValue_IsRefusedWithTheReason()
    {
        var block = Block().Linear("Down", "Hidden", "Hidden", "down", split: SplitChoice.Row).Forward(g => g.Call("Down", g.Input)).Build();
        var issue = Assert.Single(Facts.Errors(block));
        Assert.Equal(["Down", "rows", "its input is whole, because of the input"], issue.Arguments);
    }

    [Fact]
    public void Replicated_DemandedOfOneGate_KeepsThePartnersWhole()
    {
        var block = Block().Linear("Gate", "Hidden", "Ffn", "gate", split: SplitChoice.Replicated).Linear("Up", "Hidden", "Ffn", "up").Linear("Down", "Ffn", "Hidden", "down")
            .Forward(g => g.Call("Down", g.Apply(NodeOp.Silu, g.Call("Gate", g.Input)) * g.Call("Up", g.Input))).Build();
        Assert.Equal(["Gate replicated", "Up replicated", "Down replicated"], Facts.Splits(block));
        Assert.Empty(Facts.Errors(block));
    }

    [Fact]
    public void Part_FedWithADividedValue_MakesItWhole()
    {
        var part = ClassBuilder.Part("Activation", "width").RmsNorm("Norm", "width", "norm").Forward(g => g.Call("Norm", g.Input)).Build();
        var block = Block().Linear("Up", "Hidden", "Ffn", "up").Use("Act", part, "act", ["Ffn"]).Linear("Down", "Ffn", "Hidden", "down")
            .Forward(g => g.Call("Down", g.Call("Act", g.Call("Up", g.Input)))).Build();
        Assert.Equal(["Up replicated", "Down replicated"], Facts.Splits(block));
    }

    [Fact]
    public void Wirings_ThatDisagree_KeepTheLinearWhole()
    {
        var block = Block().Linear("Up", "Hidden", "Hidden", "up").Linear("Down", "Hidden", "Hidden", "down").RmsNorm("Norm", "Hidden", "norm")
            .Forward(g => g.Input + g.Call("Down", g.Call("Up", g.Call("Norm", g.Input))))
            .ForwardWhen("Tied", "ForwardSandwich", g => g.Input + g.Call("Down", g.Call("Norm", g.Call("Up", g.Input)))).Build();
        Assert.Equal(["Up replicated", "Down replicated"], Facts.Splits(block));
    }

    [Fact]
    public void ReplicatedHead_KeepsItsEmbeddingWhole()
    {
        var model = ClassBuilder.Model("Model", Llama.Config(), "m").Embedding("Embed", "Vocab", "Hidden", "embed")
            .Linear("Head", "Hidden", "Vocab", "head", tiedTo: "Embed", split: SplitChoice.Replicated)
            .Forward(g => g.Call("Head", g.Call("Embed", g.Input))).Build();
        Assert.Equal(["Embed replicated", "Head replicated"], Facts.Splits(model));
    }

    [Fact]
    public void Attention_OfWholeValues_WorksOnAllHeads()
    {
        var block = Block().Linear("Q", "Hidden", "QWidth", "q", split: SplitChoice.Replicated).Linear("K", "Hidden", "QWidth", "k").Linear("V", "Hidden", "QWidth", "v")
            .Attention("Attend", "Heads", "Heads", "HeadDim", alibi: true).Linear("O", "QWidth", "Hidden", "o")
            .Forward(g => g.Call("O", g.Call("Attend", g.Call("Q", g.Input), g.Call("K", g.Input), g.Call("V", g.Input)))).Build();
        Assert.Equal(SplitKind.Replicated, Partition.Of(block).Of("Attend").Kind);
        Assert.Equal(SplitKind.Column, Partition.Of(Llama.Block()).Of("Attend").Kind);
    }
}
