using Generated.Generators.Graph;
using Generators.Tests.Declarations;

namespace Generators.Tests.Parsing;

public sealed class LlamaParsingTests
{
    [Fact]
    public void Block_HasTheDeclaredWiring()
    {
        var block = Parse.Class("LlamaBlock", Declared.Llama);

        Assert.Equal(
            """
            0 Input()
            1 AttnNorm(0)
            2 Q(1)
            3 Rope(2)
            4 K(1)
            5 Rope(4)
            6 V(1)
            7 Attend(3, 5, 6)
            8 O(7)
            9 h = Add(0, 8)
            10 MlpNorm(9)
            11 Mlp(10)
            12 Add(9, 11)
            return 12
            """,
            block.Bodies[0].Text());
        Assert.Equal("model.layers.{i}", block.Prefix);
        Assert.Equal("llama.layers.{i}", block.PaddlePrefix);
        Assert.Equal(["self_attn.rotary_emb.inv_freq"], block.Ignored);
    }

    [Fact]
    public void Layers_CarryCodeAndPolynomials()
    {
        var block = Parse.Class("LlamaBlock", Declared.Llama);

        var q = Assert.IsType<LinearSpec>(block.Layer("Q"));
        Assert.Equal("c.QWidth", q.Output.Code);
        Assert.Equal(Dim.Atom("Heads") * Dim.Atom("HeadDim"), q.Output.Value);
        Assert.Equal("c.AttentionBias", q.BiasWhen);
        Assert.Equal("self_attn.q_proj", q.Name);
        Assert.Equal("private", q.Modifiers);
        Assert.Equal(["x"], q.Arguments);
        Assert.Equal("c.Scaling", Assert.IsType<RotarySpec>(block.Layer("Rope")).Scaling);
        var mlp = Assert.IsType<UseSpec>(block.Layer("Mlp"));
        Assert.Equal("GatedMlp", mlp.Part.Name);
        Assert.Equal(["c.Hidden", "c.Ffn"], mlp.Widths.Select(w => w.Code));
        Assert.Equal("private partial global::Generated.Flow Attend(global::Generated.Flow q, global::Generated.Flow k, global::Generated.Flow v)", block.Stubs[5]);
    }

    [Fact]
    public void Model_EmbedsItsBlock()
    {
        var model = Parse.Class("Llama", Declared.Llama);

        var blocks = Assert.IsType<RepeatSpec>(model.Layer("Blocks"));
        Assert.Equal(Parse.Class("LlamaBlock", Declared.Llama), blocks.Block);
        Assert.Equal("llama", model.Model!.ModelType);
        Assert.Equal("global::Generated.Passes.CausalInputs", model.Model.InputScheme);
        Assert.Equal("Embed", Assert.IsType<LinearSpec>(model.Layer("Head")).TiedTo);
        Assert.Equal("c.Tied", Assert.IsType<LinearSpec>(model.Layer("Head")).TiedWhen);
    }

    [Fact]
    public void Config_EvaluatesPresets()
    {
        var config = Parse.Config("LlamaConfig", Declared.Llama);

        var first = config.Presets[0];
        Assert.Equal([2, 4, 8], first.TensorParallel);
        Assert.Equal(32, first.Value("KvHeads"));
        Assert.Equal(128, first.Value("HeadDim"));
        Assert.Equal(4096, first.Value("KvWidth"));
        Assert.Equal(0, first.Value("Tied"));
        var derived = config.Presets[1];
        Assert.Equal(8, derived.Value("KvHeads"));
        Assert.Equal(1024, derived.Value("KvWidth"));
        Assert.Equal(4096, derived.Value("Hidden"));
        Assert.Equal(1, derived.Value("Tied"));
    }

    [Fact]
    public void Config_KnowsKeysKindsAndWidths()
    {
        var config = Parse.Config("LlamaConfig", Declared.Llama);

        var kv = config.Property("KvHeads")!;
        Assert.Equal(Dim.Atom("KvHeads"), kv.Value);
        Assert.Equal(["num_key_value_heads"], kv.Keys);
        Assert.False(kv.IsRequired);
        Assert.True(config.Property("Hidden")!.IsRequired);
        Assert.Equal(ConfigValueKind.Object, config.Property("Scaling")!.Kind);
        Assert.True(config.Property("Scaling")!.IsNullable);
        Assert.Equal("global::Generated.Layers.RopeScaling?", config.Property("Scaling")!.Type);
        Assert.False(config.Property("QWidth")!.IsSettable);
    }
}
