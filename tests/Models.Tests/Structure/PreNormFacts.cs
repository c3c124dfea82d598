namespace Models.Tests.Structure;

/// <summary>LLaMA, Qwen2: three projections behind one norm, two behind the other.</summary>
public sealed class LlamaFacts
{
    private static readonly Derived Facts = Derived.Of(Families.Llama);

    [Fact]
    public void EveryNorm_FoldsIntoTheLinearsBehindIt() =>
        Assert.Equal(["FinalNorm → Head", "AttnNorm → Q, K, V", "MlpNorm → Mlp.Gate, Mlp.Up"], Facts.Norms);

    [Fact]
    public void TiedHead_KeepsTheFinalNorm() =>
        Assert.Equal("FinalNorm → Head | 'Head' shares its matrix with 'Embed'", Derived.Of(Families.Llama with { Tied = true }).Norms[0]);

    [Fact]
    public void NoNorm_IsAResidual() => Assert.Empty(Facts.Shortcuts);

    [Fact]
    public void ProjectionsOfOneInput_AreOneProduct() => Assert.Equal(["Q + K + V", "Mlp.Gate + Mlp.Up"], Facts.Fused);

    [Fact]
    public void Scales_CrossAttentionAndGate() => Assert.Equal(["V → O", "Mlp.Up → Mlp.Down"], Facts.Scales);

    [Fact]
    public void Ranks_ShareHeadsAndTheMlpsWidth()
    {
        Assert.Equal(["Head vocabulary", "Q column", "K column", "V column", "O row", "Mlp.Gate column", "Mlp.Up column", "Mlp.Down row"], Facts.Splits);
        Assert.Equal(["sum Embed", "gather Head", "sum O", "sum Mlp.Down"], Facts.Exchanges);
        Assert.Equal("rows 8..16", Facts.Part("model.layers.1.self_attn.q_proj.weight", 1, 2));
        Assert.Equal("rows 4..8", Facts.Part("model.layers.1.self_attn.k_proj.weight", 1, 2));
        Assert.Equal("columns 8..16", Facts.Part("model.layers.1.self_attn.o_proj.weight", 1, 2));
        Assert.Equal("columns 12..24", Facts.Part("model.layers.1.mlp.down_proj.weight", 1, 2));
        Assert.Equal("rows 20..40", Facts.Part("model.embed_tokens.weight", 1, 2));
        Assert.Equal("all", Facts.Part("model.norm.weight", 1, 2));
    }

    [Fact]
    public void FewKeyHeads_AreRepeatedOverRanks() =>
        Assert.Equal(["rows 0..4", "rows 0..4", "rows 4..8", "rows 4..8"], Enumerable.Range(0, 4).Select(rank => Facts.Part("model.layers.0.self_attn.v_proj.weight", rank, 4)));

    [Fact]
    public void Qwen2_IsDerivedAlike()
    {
        var facts = Derived.Of(Families.Qwen2);
        Assert.Equal(Facts.Norms, facts.Norms);
        Assert.Empty(facts.Shortcuts);
        Assert.Equal(Facts.Fused, facts.Fused);
        Assert.Equal(Facts.Scales, facts.Scales);
        Assert.Equal(Facts.Splits, facts.Splits);
        Assert.Equal(Facts.Exchanges, facts.Exchanges);
        Assert.Equal("rows 4..8", facts.Part("model.layers.1.self_attn.v_proj.bias", 1, 2));
        Assert.Equal("FinalNorm → Head | 'Head' shares its matrix with 'Embed'", Derived.Of(Families.Qwen2 with { Tied = true }).Norms[0]);
    }
}

/// <summary>Qwen, Baichuan: one fused projection of all queries, then keys, then values.</summary>
public sealed class FusedProjectionFacts
{
    private static readonly Derived Qwen = Derived.Of(Families.Qwen);
    private static readonly Derived Baichuan = Derived.Of(Families.Baichuan);

    [Fact]
    public void EveryNorm_FoldsIntoTheLinearsBehindIt()
    {
        Assert.Equal(["FinalNorm → Head", "AttnNorm → Qkv", "MlpNorm → Up, Gate"], Qwen.Norms);
        Assert.Equal(["FinalNorm → Head", "AttnNorm → Qkv", "MlpNorm → Mlp.Gate, Mlp.Up"], Baichuan.Norms);
        Assert.Empty(Qwen.Shortcuts);
        Assert.Empty(Baichuan.Shortcuts);
    }

    [Fact]
    public void HeadOfUnitRows_KeepsTheFinalNorm() => Assert.Equal(
        ["FinalNorm → Head | 'Head' divides its rows by their length", "AttnNorm → Qkv", "MlpNorm → Mlp.Gate, Mlp.Up"],
        Derived.Of(Families.Baichuan with { NormHeadGiven = true }).Norms);

    [Fact]
    public void GateAndUp_AreOneProduct()
    {
        Assert.Equal(["Up + Gate"], Qwen.Fused);
        Assert.Equal(["Mlp.Gate + Mlp.Up"], Baichuan.Fused);
    }

    [Fact]
    public void Scales_StartFromTheValues()
    {
        Assert.Equal(["Qkv[2] → O", "Up → Down"], Qwen.Scales);
        Assert.Equal(["Qkv[2] → O", "Mlp.Up → Mlp.Down"], Baichuan.Scales);
    }

    [Fact]
    public void Ranks_CutEachSection()
    {
        Assert.Equal(["Head vocabulary", "Qkv column", "O row", "Up column", "Gate column", "Down row"], Qwen.Splits);
        Assert.Equal(["Head vocabulary", "Qkv column", "O row", "Mlp.Gate column", "Mlp.Up column", "Mlp.Down row"], Baichuan.Splits);
        Assert.Equal(["sum Embed", "gather Head", "sum O", "sum Down"], Qwen.Exchanges);
        Assert.Equal("rows 8..16, 24..32, 40..48", Qwen.Part("transformer.h.0.attn.c_attn.weight", 1, 2));
        Assert.Equal("rows 8..16, 24..32, 40..48", Qwen.Part("transformer.h.0.attn.c_attn.bias", 1, 2));
        Assert.Equal("rows 8..16, 24..32, 40..48", Baichuan.Part("model.layers.0.self_attn.W_pack.weight", 1, 2));
    }

    [Fact]
    public void Alibi_ChangesNothingOfThis()
    {
        var alibi = Derived.Of(Families.Baichuan with { MaxPositions = 0 });
        Assert.Equal(Baichuan.Norms, alibi.Norms);
        Assert.Equal(Baichuan.Splits, alibi.Splits);
        Assert.Equal(Baichuan.Scales, alibi.Scales);
    }
}

/// <summary>GPT, GLM: pre-norm with a GELU, which no scale crosses, and a head that is the embedding.</summary>
public sealed class GptFacts
{
    private static readonly Derived Facts = Derived.Of(Families.Gpt);

    [Fact]
    public void Norms_FoldButTheLast()
    {
        Assert.Equal(["FinalNorm → Head | 'Head' shares its matrix with 'Embed'", "AttnNorm → Qkv", "MlpNorm → Up"], Facts.Norms);
        Assert.Equal("FinalNorm → Head", Derived.Of(Families.Gpt with { Tied = false }).Norms[0]);
        Assert.Empty(Facts.Shortcuts);
    }

    [Fact]
    public void OnlyValues_PassScales() => Assert.Equal(["Qkv[2] → Dense"], Facts.Scales);

    [Fact]
    public void NothingIsLeftToFuse() => Assert.Empty(Facts.Fused);

    [Fact]
    public void Ranks_CutEachSection_AlsoOfATransposedFile()
    {
        Assert.Equal(["Head vocabulary", "Qkv column", "Dense row", "Up column", "Down row"], Facts.Splits);
        Assert.Equal(["sum Embed", "gather Head", "sum Dense", "sum Down"], Facts.Exchanges);
        Assert.Equal("rows 8..16, 24..32, 40..48", Facts.Part("transformer.h.0.attn.c_attn.weight", 1, 2));
        Assert.Equal("columns 8..16", Facts.Part("transformer.h.0.attn.c_proj.weight", 1, 2));
        Assert.Equal("all", Facts.Part("transformer.h.0.attn.c_proj.bias", 1, 2));
        Assert.Equal("all", Facts.Part("transformer.wpe.weight", 1, 2));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Glm_IsDerivedAlike_WithEitherGelu(bool tanh)
    {
        var facts = Derived.Of(Families.Glm with { TanhGelu = tanh });
        Assert.Equal(Facts.Norms, facts.Norms);
        Assert.Empty(facts.Shortcuts);
        Assert.Equal(Facts.Scales, facts.Scales);
        Assert.Empty(facts.Fused);
        Assert.Equal(Facts.Splits, facts.Splits);
        Assert.Equal(Facts.Exchanges, facts.Exchanges);
        Assert.Equal("rows 8..16, 24..32, 40..48", facts.Part("transformer.layers.0.attention.query_key_value.weight", 1, 2));
    }
}
