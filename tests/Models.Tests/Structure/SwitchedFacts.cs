namespace Models.Tests.Structure;

/// <summary>ChatGLM-6B: each norm's output, scaled, is the residual.</summary>
public sealed class ChatGlmFacts
{
    private static readonly Derived Facts = Derived.Of(Families.ChatGlm);

    [Fact]
    public void BlockNorms_AreResiduals_TheLastFolds()
    {
        Assert.Equal(
            ["FinalNorm → Head", "AttnNorm → Qkv | it also feeds the residual scaled by Alpha", "MlpNorm → Up | it also feeds the residual scaled by Alpha"], Facts.Norms);
        Assert.Equal(["AttnNorm", "MlpNorm"], Facts.Shortcuts);
    }

    [Fact]
    public void OnlyValues_PassScales() => Assert.Equal(["Qkv[2] → Dense"], Facts.Scales);

    [Fact]
    public void NothingIsLeftToFuse() => Assert.Empty(Facts.Fused);

    [Fact]
    public void Ranks_ShareWholeHeads()
    {
        Assert.Equal(["Head vocabulary", "Qkv column", "Dense row", "Up column", "Down row"], Facts.Splits);
        Assert.Equal(["sum Embed", "gather Head", "sum Dense", "sum Down"], Facts.Exchanges);
        Assert.Equal("rows 24..48", Facts.Part("transformer.layers.0.attention.query_key_value.weight", 1, 2));
        Assert.Equal("columns 8..16", Facts.Part("transformer.layers.0.attention.dense.weight", 1, 2));
    }
}

/// <summary>ChatGLM2-6B: pre-norm with fused projections; a switch makes its norms residuals, another takes the last one away.</summary>
public sealed class ChatGlm2Facts
{
    private static readonly Derived Facts = Derived.Of(Families.ChatGlm2);
    private static readonly Derived Switched = Derived.Of(Families.ChatGlm2 with { ResidualAfterNorm = true });

    [Fact]
    public void Norms_Fold()
    {
        Assert.Equal(["FinalNorm → Head", "AttnNorm → Qkv", "MlpNorm → GateUp"], Facts.Norms);
        Assert.Empty(Facts.Shortcuts);
    }

    [Fact]
    public void ResidualAfterNorm_MakesThemShortcuts()
    {
        Assert.Equal(["FinalNorm → Head", "AttnNorm → Qkv | it also feeds the residual", "MlpNorm → GateUp | it also feeds the residual"], Switched.Norms);
        Assert.Equal(["AttnNorm", "MlpNorm"], Switched.Shortcuts);
    }

    [Fact]
    public void NoFinalNorm_LeavesTheHeadWithoutOne() =>
        Assert.Equal(["AttnNorm → Qkv", "MlpNorm → GateUp"], Derived.Of(Families.ChatGlm2 with { HasFinalNorm = false }).Norms);

    [Fact]
    public void Scales_StartFromSections_InBothWirings()
    {
        Assert.Equal(["Qkv[2] → Dense", "GateUp[1] → Down"], Facts.Scales);
        Assert.Equal(Facts.Scales, Switched.Scales);
    }

    [Fact]
    public void NothingIsLeftToFuse() => Assert.Empty(Facts.Fused);

    [Fact]
    public void Ranks_CutEachSection()
    {
        Assert.Equal(["Head vocabulary", "Qkv column", "Dense row", "GateUp column", "Down row"], Facts.Splits);
        Assert.Equal(["sum Embed", "gather Head", "sum Dense", "sum Down"], Facts.Exchanges);
        Assert.Equal(Facts.Splits, Switched.Splits);
        Assert.Equal("rows 8..16, 20..24, 28..32", Facts.Part("transformer.encoder.layers.0.self_attention.query_key_value.weight", 1, 2));
        Assert.Equal("rows 12..24, 36..48", Facts.Part("transformer.encoder.layers.0.mlp.dense_h_to_4h.weight", 1, 2));
    }

    [Fact]
    public void FewKeyHeads_AreRepeatedOverRanks() => Assert.Equal(
        ["rows 0..4, 16..20, 24..28", "rows 4..8, 16..20, 24..28", "rows 8..12, 20..24, 28..32", "rows 12..16, 20..24, 28..32"],
        Enumerable.Range(0, 4).Select(rank => Facts.Part("transformer.encoder.layers.0.self_attention.query_key_value.weight", rank, 4)));
}

/// <summary>Bloom: a norm behind the embedding, projections grouped by head, a tied head, a switch that makes norms residuals.</summary>
public sealed class BloomFacts
{
    private static readonly Derived Facts = Derived.Of(Families.Bloom);
    private static readonly Derived Switched = Derived.Of(Families.Bloom with { ResidualAfterNorm = true });

    [Fact]
    public void BlockNorms_Fold_TheOthersDoNot()
    {
        Assert.Equal(
            ["EmbedNorm →  | it feeds 'Blocks'", "FinalNorm → Head | 'Head' shares its matrix with 'Embed'", "AttnNorm → Qkv", "MlpNorm → Up"], Facts.Norms);
        Assert.Empty(Facts.Shortcuts);
    }

    [Fact]
    public void ResidualAfterNorm_MakesThemShortcuts()
    {
        Assert.Equal(["AttnNorm → Qkv | it also feeds the residual", "MlpNorm → Up | it also feeds the residual"], Switched.Norms[2..]);
        Assert.Equal(["AttnNorm", "MlpNorm"], Switched.Shortcuts);
    }

    [Fact]
    public void OnlyValues_PassScales()
    {
        Assert.Equal(["Qkv[2] → Dense"], Facts.Scales);
        Assert.Equal(Facts.Scales, Switched.Scales);
        Assert.Empty(Facts.Fused);
    }

    [Fact]
    public void Ranks_ShareWholeHeads_ThatAreNoPowerOfTwo()
    {
        Assert.Equal(["Head vocabulary", "Qkv column", "Dense row", "Up column", "Down row"], Facts.Splits);
        Assert.Equal(["sum Embed", "gather Head", "sum Dense", "sum Down"], Facts.Exchanges);
        Assert.Equal(Facts.Splits, Switched.Splits);
        Assert.Equal("rows 36..72", Facts.Part("transformer.h.0.self_attention.query_key_value.weight", 1, 2));
        Assert.Equal("rows 36..72", Facts.Part("transformer.h.0.self_attention.query_key_value.bias", 1, 2));
        Assert.Equal("columns 12..24", Facts.Part("transformer.h.0.self_attention.dense.weight", 1, 2));
        Assert.Equal("all", Facts.Part("transformer.word_embeddings_layernorm.weight", 1, 2));
    }
}

/// <summary>OPT: norms before (most sizes) or behind (350m), a ReLU that scales cross, projections around the narrow embedding.</summary>
public sealed class OptFacts
{
    private static readonly Derived Facts = Derived.Of(Families.Opt);
    private static readonly Derived After = Derived.Of(Families.OptNormAfter);

    [Fact]
    public void NormsBefore_Fold()
    {
        Assert.Equal(["FinalNorm → Head | 'Head' shares its matrix with 'Embed'", "AttnNorm → Q, K, V", "MlpNorm → Up"], Facts.Norms);
        Assert.Empty(Facts.Shortcuts);
    }

    [Fact]
    public void NormsBehind_AreAShortcutAndTheResult()
    {
        Assert.Equal(["AttnNorm → Up | it also feeds the residual", "MlpNorm →  | it feeds the result of the block"], After.Norms);
        Assert.Equal(["AttnNorm"], After.Shortcuts);
    }

    [Fact]
    public void FinalNormRemoved_LeavesTheHeadWithoutOne() =>
        Assert.Equal(["AttnNorm → Q, K, V", "MlpNorm → Up"], Derived.Of(Families.Opt with { FinalNormRemoved = true }).Norms);

    [Fact]
    public void FinalNorm_FoldsIntoTheProjectionOut() =>
        Assert.Equal("FinalNorm → ProjectOut", Derived.Of(Families.Opt with { EmbedWidth = 12 }).Norms[0]);

    [Fact]
    public void Scales_CrossAttentionAndRelu_InBothWirings()
    {
        Assert.Equal(["V → O", "Up → Down"], Facts.Scales);
        Assert.Equal(Facts.Scales, After.Scales);
    }

    [Fact]
    public void Projections_AreOneProduct_InBothWirings()
    {
        Assert.Equal(["Q + K + V"], Facts.Fused);
        Assert.Equal(["Q + K + V"], After.Fused);
    }

    [Fact]
    public void Ranks_ShareHeads_AndRepeatTheProjectionsInAndOut()
    {
        Assert.Equal(["Head vocabulary", "Q column", "K column", "V column", "O row", "Up column", "Down row"], Facts.Splits);
        Assert.Equal(["ProjectIn replicated", "ProjectOut replicated", "Head vocabulary", "Q column", "K column", "V column", "O row", "Up column", "Down row"], After.Splits);
        Assert.Equal(["sum Embed", "gather Head", "sum O", "sum Down"], After.Exchanges);
        Assert.Equal("rows 8..16", Facts.Part("model.decoder.layers.0.self_attn.q_proj.bias", 1, 2));
        Assert.Equal("columns 12..24", Facts.Part("model.decoder.layers.0.fc2.weight", 1, 2));
    }
}
