using Generated.Generators;
using Generated.Generators.Graph;
using Generators.Tests.Analysis.Declarations;

namespace Generators.Tests.Analysis;

public sealed class FlatteningTests
{
    private static ClassBuilder Block() => ClassBuilder.Block("Block", Llama.Config(), "layers.{i}");

    [Fact]
    public void Part_Opened_IsInTheCallersTerms()
    {
        var body = Facts.Default(Llama.Block());
        var gate = body.Nodes.Single(n => n.Layer?.Path == "Mlp.Gate");
        var linear = Assert.IsType<LinearSpec>(gate.Layer!.Spec);
        Assert.Equal("Layers.Mlp.Layers.Gate", gate.Layer.Access);
        Assert.Equal("mlp.gate_proj", linear.Name);
        Assert.Equal(("c.Hidden", "c.Ffn"), (linear.Input.Code, linear.Output.Code));
        Assert.Equal(Dim.Atom("Ffn"), linear.Output.Value);
        Assert.Equal(Llama.Block().Bodies[0].Nodes.Single(n => n.Layer == "Mlp").Id, gate.Anchor);
    }

    [Fact]
    public void Part_InsideAPart_IsOpenedToo()
    {
        var outer = ClassBuilder.Part("Outer", "width", "inner").Use("Inner", Llama.GatedMlp, "inner", ["width", "inner"])
            .Forward(g => g.Call("Inner", g.Input)).Build();
        var block = Block().Use("Both", outer, "both", ["Hidden", "Ffn"]).Forward(g => g.Call("Both", g.Input)).Build();
        var paths = Facts.Default(block).Nodes.Where(n => n.Layer is not null).Select(n => (n.Layer!.Path, n.Layer.Access, n.Layer.Spec.Name));
        Assert.Equal(
            [
                ("Both.Inner.Gate", "Layers.Both.Layers.Inner.Layers.Gate", "both.inner.gate_proj"),
                ("Both.Inner.Up", "Layers.Both.Layers.Inner.Layers.Up", "both.inner.up_proj"),
                ("Both.Inner.Down", "Layers.Both.Layers.Inner.Layers.Down", "both.inner.down_proj"),
            ], paths);
        Assert.Equal(["Both.Inner.Gate column", "Both.Inner.Up column", "Both.Inner.Down row"], Facts.Splits(block));
    }

    [Fact]
    public void Part_ThatMayBeAbsent_GivesTwoWirings()
    {
        var block = Block().Use("Mlp", Llama.GatedMlp, "mlp", ["Hidden", "Ffn"], when: "Tied").Forward(g => g.Input + g.Call("Mlp", g.Input)).Build();
        var bodies = Flattening.Bodies(block);
        Assert.Equal(["Forward", "ForwardWithoutMlp"], bodies.Select(b => b.Suffix));
        Assert.Equal(["c.Tied"], bodies[0].Conditions);
        Assert.Empty(bodies[1].Conditions);
        Assert.Equal("Layers.Mlp!.Layers.Gate", bodies[0].Nodes[1].Layer!.Access);
        Assert.Equal([NodeOp.Input, NodeOp.Add], bodies[1].Nodes.Select(n => n.Op));
        Assert.Equal([0, 0], bodies[1].Nodes[1].Inputs);
    }

    [Fact]
    public void Part_WithTwoWirings_MultipliesThoseOfTheBlock()
    {
        var part = ClassBuilder.Part("Part", "width").Linear("A", "width", "width", "a")
            .Forward(g => g.Call("A", g.Input)).ForwardWhen("PartFlag", "ForwardTwice", g => g.Call("A", g.Input) + g.Input).Build();
        var block = Block().Use("P", part, "p", ["Hidden"]).Forward(g => g.Call("P", g.Input))
            .ForwardWhen("Tied", "ForwardResidual", g => g.Input + g.Call("P", g.Input)).Build();
        var bodies = Flattening.Bodies(block);
        Assert.Equal(["ForwardResidualPForwardTwice", "ForwardResidual", "ForwardPForwardTwice", "Forward"], bodies.Select(b => b.Suffix));
        Assert.Equal(["c.Tied && c.PartFlag", "c.Tied", "c.PartFlag", ""], bodies.Select(b => string.Join(" && ", b.Conditions)));
    }

    [Fact]
    public void Part_WhoseConfigHasAnotherName_SpeaksOfTheCallers()
    {
        var config = Llama.Config();
        var part = Llama.BlockLayers(config).Forward(g => g.Scale("config.Alpha", g.Call("Q", g.Input))).Build() with
        {
            Kind = ClassKind.Part,
            Prefix = "",
            Parameters = EquatableArray.Of(new ParameterSpec("config", config.Type, true)),
            Layers = EquatableArray.Of<LayerSpec>(new LinearSpec
            {
                Member = "Q",
                Modifiers = "private",
                Arguments = EquatableArray.Of("x"),
                Name = "q",
                BiasWhen = "config.AttentionBias",
                Input = new DimRef("Hidden", "config.Hidden", Dim.Atom("Hidden")),
                Output = new DimRef("Hidden", "config.Hidden", Dim.Atom("Hidden")),
            }),
        };
        var block = Block().Use("Part", part, "part", []).Forward(g => g.Call("Part", g.Input)).Build();
        var body = Facts.Default(block);
        var q = Assert.IsType<LinearSpec>(body.Nodes[1].Layer!.Spec);
        Assert.Equal(("c.AttentionBias", "c.Hidden"), (q.BiasWhen, q.Input.Code));
        Assert.Equal("Layers.Part.ForwardFactor2", body.Nodes[2].Factor); // the part gives its factor a name of its own
    }
}
