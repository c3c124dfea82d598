using Generated.Generators.Graph;
using Generators.Tests.Analysis.Declarations;

namespace Generators.Tests.Analysis;

public sealed class LlamaFacts
{
    private static readonly ClassSpec Block = Llama.Block();

    [Fact]
    public void Norms_FeedLinearsOnly_Fold() => Assert.Equal(
        ["AttnNorm → Q, K, V", "MlpNorm → Mlp.Gate, Mlp.Up"], Facts.Norms(Block, Facts.Default(Block)));

    [Fact]
    public void Norms_OfPreNorm_AreNoShortcuts() => Assert.Empty(Facts.Shortcuts(Block, Facts.Default(Block)));

    [Fact]
    public void Scales_CrossAttentionAndGate() => Assert.Equal(
        ["V → O (Value, repeated)", "Mlp.Up → Mlp.Down (Up)"], Facts.Scales(Facts.Default(Block)));

    [Fact]
    public void SharedInputs_Fuse_AcrossTheBorderOfAPart() => Assert.Equal(["QKV: Q, K, V", "MlpGateUp: Mlp.Gate, Mlp.Up"], Facts.Fused(Block));

    [Fact]
    public void Splits_AlignWithHeads() => Assert.Equal(
        [
            "Q column by HeadDim", "K column by HeadDim", "V column by HeadDim", "O row by HeadDim",
            "Mlp.Gate column", "Mlp.Up column", "Mlp.Down row",
        ], Facts.Splits(Block));

    [Fact]
    public void Part_OnItsOwn_IsSplitAsInTheBlock() => Assert.Equal(["Gate column", "Up column", "Down row"], Facts.Splits(Llama.GatedMlp));

    [Fact]
    public void Exchanges_AreTwoSumsABlock() => Assert.Equal(["sum O", "sum Mlp.Down"], Facts.Exchanges(Block));

    [Fact]
    public void Model_DividesTheVocabulary() => Assert.Equal(["sum Embed", "gather Head"], Facts.Exchanges(Llama.Model()));

    [Fact]
    public void FinalNorm_FoldsUnlessTheHeadIsTied() => Assert.Equal(
        ["FinalNorm → Head | 'Head' shares its matrix with 'Embed' if c.Tied"], Facts.Norms(Llama.Model(), Facts.Default(Llama.Model())));

    [Fact]
    public void Tensors_AreAllThere()
    {
        var config = Llama.Config();
        string[] names =
        [
            "input_layernorm.weight", "self_attn.q_proj.weight", "self_attn.q_proj.bias", "self_attn.k_proj.weight", "self_attn.k_proj.bias",
            "self_attn.v_proj.weight", "self_attn.v_proj.bias", "self_attn.o_proj.weight", "self_attn.o_proj.bias",
            "post_attention_layernorm.weight", "mlp.gate_proj.weight", "mlp.up_proj.weight", "mlp.down_proj.weight",
        ];
        var tensors = Generated.Generators.Analysis.Planner.Plan(Llama.Block(config)).Tensors;
        Assert.Equal(names.Select(n => "model.layers.{i}." + n), tensors.Select(t => t.Name));
        Assert.Equal(names.Select(n => "llama.layers.{i}." + n), tensors.Select(t => t.Paddle));
        Assert.Equal(["c.AttentionBias"], tensors.Single(t => t.Name.EndsWith("q_proj.bias")).Conditions);
        Assert.Equal(["c.KvWidth", "c.Hidden"], tensors.Single(t => t.Name.EndsWith("k_proj.weight")).Shape.Select(d => d.Code));
        Assert.All(tensors, t => Assert.Equal(t.Path != "AttnNorm" && t.Path != "MlpNorm" && t.Name.EndsWith(".weight"), t.PaddleTransposes));
    }

    [Fact]
    public void Declaration_HasNoErrors()
    {
        Assert.Empty(Facts.Errors(Block));
        Assert.Empty(Facts.Errors(Llama.GatedMlp));
        Assert.Empty(Facts.Errors(Llama.Model(Llama.Config(2, 4, 8))));
    }
}
