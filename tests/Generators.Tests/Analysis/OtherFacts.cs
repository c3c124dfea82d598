using Generated.Generators.Graph;
using Generators.Tests.Analysis.Declarations;

namespace Generators.Tests.Analysis;

public sealed class ChatGlmFacts
{
    private static readonly ClassSpec Block = ChatGlm.Block();

    [Fact]
    public void Norms_AlsoAreResiduals_DoNotFold()
    {
        var body = Facts.Default(Block);
        Assert.Equal(["AttnNorm → Qkv | the residual scaled by Alpha", "MlpNorm → Up | the residual scaled by Alpha"], Facts.Norms(Block, body));
        Assert.Equal(["AttnNorm", "MlpNorm"], Facts.Shortcuts(Block, body));
    }

    [Fact]
    public void Norms_ThatDoNotFold_AreSaidAtTheirCall()
    {
        var issues = Facts.Issues(Block, RuleId.NormNotFoldable);
        Assert.Equal(["AttnNorm", "MlpNorm"], issues.Select(i => i.Arguments[0]));
        Assert.Equal("the residual scaled by Alpha", issues[0].Arguments[2]);
        Assert.Equal("body:Forward:node:1", issues[0].Anchor);
    }

    [Fact]
    public void Scales_CrossAttentionFromTheValueSection_NotGelu() => Assert.Equal(["Qkv[2] → Dense (Value)"], Facts.Scales(Facts.Default(Block)));

    [Fact]
    public void Splits_KeepGroupsTogether() => Assert.Equal(
        ["Qkv column by HeadDim in groups of Heads", "Dense row by HeadDim", "Up column", "Down row"], Facts.Splits(Block));

    [Fact]
    public void FusedProjection_IsNotFusedAgain() => Assert.Empty(Facts.Fused(Block));

    [Fact]
    public void Declaration_WithHiddenAsHeadsTimesHeadDim_HasNoErrors()
    {
        Assert.Empty(Facts.Errors(Block));
        Assert.Empty(Facts.Errors(ChatGlm.Model(ChatGlm.Config(2, 4, 8))));
    }
}

public sealed class BloomFacts
{
    private static readonly ClassSpec Block = Bloom.Block();

    [Fact]
    public void Norms_Fold_InTheUsualWiringOnly()
    {
        Assert.Equal(["AttnNorm → Qkv", "MlpNorm → Up"], Facts.Norms(Block, Facts.Default(Block)));
        var switched = Facts.Body(Block, "ForwardResidualAfterNorm");
        Assert.Equal(["c.ResidualAfterNorm"], switched.Conditions);
        Assert.Equal(["AttnNorm → Qkv | the residual", "MlpNorm → Up | the residual"], Facts.Norms(Block, switched));
    }

    [Fact]
    public void EmbeddingNorm_FeedsNoLinear() => Assert.Equal(
        ["EmbedNorm →  | 'Blocks'", "FinalNorm → Head | 'Head' shares its matrix with 'Embed'"], Facts.Norms(Bloom.Model(), Facts.Default(Bloom.Model())));

    [Fact]
    public void Splits_KeepGroupsTogether() => Assert.Equal(
        ["Qkv column by HeadDim in groups of Heads", "Dense row by HeadDim", "Up column", "Down row"], Facts.Splits(Block));

    [Fact]
    public void Model_DividesEmbeddingAndHeadAlike() => Assert.Equal(["Embed vocabulary", "Head vocabulary"], Facts.Splits(Bloom.Model()));

    [Fact]
    public void Declaration_HasNoErrors()
    {
        Assert.Empty(Facts.Errors(Block));
        Assert.Empty(Facts.Errors(Bloom.Model(Bloom.Config(2, 4, 8, 16))));
    }
}

public sealed class GptJFacts
{
    private static readonly ClassSpec Block = GptJ.Block();

    [Fact]
    public void Norm_OfBothBranches_FoldsIntoAll() => Assert.Equal(["Norm → Q, K, V, Up"], Facts.Norms(Block, Facts.Default(Block)));

    [Fact]
    public void SharedInput_IsOneSite_ButFusesWhatIsAlike()
    {
        var sites = Generated.Generators.Analysis.SharedInputs.Sites(Facts.Default(Block));
        Assert.Equal(["Q", "Q", "Q", "O", "Q", "Down"], new[] { "Q", "K", "V", "O", "Up", "Down" }.Select(p => sites[p]));
        Assert.Equal(["QKV: Q, K, V"], Facts.Fused(Block)); // Up has a bias
    }

    [Fact]
    public void BothRowResults_AreSummed() => Assert.Equal(["sum O", "sum Down"], Facts.Exchanges(Block));

    [Fact]
    public void Splits_FollowBothBranches() => Assert.Equal(
        ["Q column by HeadDim", "K column by HeadDim", "V column by HeadDim", "O row by HeadDim", "Up column", "Down row"], Facts.Splits(Block));

    [Fact]
    public void LinearsWithoutBias_AreNotedForShift() => Assert.Equal(["Q", "K", "V"], Facts.Issues(Block, RuleId.NoBiasForShift).Select(i => i.Arguments[0]));

    [Fact]
    public void Declaration_HasNoErrors() => Assert.Empty(Facts.Errors(Block));
}

public sealed class OptFacts
{
    private static readonly ClassSpec Block = Opt.Block();
    private static readonly ClassSpec Model = Opt.Model();

    [Fact]
    public void PostNorm_IsAShortcut_OrTheResult()
    {
        var body = Facts.Body(Block, "ForwardNormAfter");
        Assert.Equal(["AttnNorm → Up | the residual", "MlpNorm →  | the result of the block"], Facts.Norms(Block, body));
        Assert.Equal(["AttnNorm"], Facts.Shortcuts(Block, body));
        Assert.Equal(["AttnNorm → Q, K, V", "MlpNorm → Up"], Facts.Norms(Block, Facts.Default(Block)));
    }

    [Fact]
    public void Relu_PassesPositiveScales() => Assert.Equal(["V → O (Value)", "Up → Down (Up)"], Facts.Scales(Facts.Default(Block)));

    [Fact]
    public void FinalNorm_FeedsWhatTheConfigLeaves() => Assert.Equal(
        ["FinalNorm → ProjectOut if c.IsProjected, Head if !c.IsProjected | 'Head' shares its matrix with 'Embed' if !c.IsProjected && c.Tied"],
        Facts.Norms(Model, Facts.Default(Model)));

    [Fact]
    public void Projections_AreReplicated() => Assert.Equal(
        ["Embed vocabulary", "ProjectIn replicated", "ProjectOut replicated", "Head vocabulary"], Facts.Splits(Model));

    [Fact]
    public void Fusion_HoldsInBothWirings() => Assert.Equal(["QKV: Q, K, V"], Facts.Fused(Block));

    [Fact]
    public void Declaration_HasNoErrors()
    {
        Assert.Empty(Facts.Errors(Block));
        Assert.Empty(Facts.Errors(Opt.Model(Opt.Config(2, 4))));
    }
}

public sealed class ChatGlm2Facts
{
    private static readonly ClassSpec Block = ChatGlm2.Block();

    [Fact]
    public void Splits_CutSectionsOneByOne() => Assert.Equal(
        ["Qkv column by HeadDim in QWidth|KvWidth|KvWidth", "Dense row by HeadDim", "GateUp column in Ffn|Ffn", "Down row"], Facts.Splits(Block));

    [Fact]
    public void Scales_StartFromSections() => Assert.Equal(
        ["Qkv[2] → Dense (Value, repeated)", "GateUp[1] → Down (Up)"], Facts.Scales(Facts.Default(Block)));

    [Fact]
    public void Norms_Fold_UnlessTheResidualIsAfterThem()
    {
        Assert.Empty(Facts.Shortcuts(Block, Facts.Default(Block)));
        Assert.Equal(["AttnNorm", "MlpNorm"], Facts.Shortcuts(Block, Facts.Body(Block, "ForwardResidualAfterNorm")));
    }

    [Fact]
    public void Degree_WithFewerKeyHeadsThanRanks_IsAllowedWhereItIsAMultiple() =>
        Assert.Empty(Facts.Errors(ChatGlm2.Block(ChatGlm2.Config(2, 4, 8))));

    [Fact]
    public void Degree_ThatDividesNothing_IsRefusedWithNumbers() => Assert.Equal(
        ["chatglm2-6b at 3: Heads is 32 (Attend)", "chatglm2-6b at 3: KvHeads is 2 (Attend)", "chatglm2-6b at 3: Ffn is 13696 (GateUp)"],
        Facts.Issues(ChatGlm2.Block(ChatGlm2.Config(3)), RuleId.TensorParallelDegree)
            .Select(i => $"{i.Arguments[0]} at {i.Arguments[1]}: {i.Arguments[2]} is {i.Arguments[3]} ({i.Arguments[4]})"));
}
