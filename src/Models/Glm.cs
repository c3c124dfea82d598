using Generated.Configuration;
using static Generated.Ops;

namespace Generated.Models;

/// <summary>Config of GLM: blank-filling pretraining with two learned positions (Du et al., 2022).</summary>
[Config]
public sealed partial record GlmConfig
{
    /// <summary>Vocabulary size.</summary>
    [Key("vocab_size")] public required int Vocab { get; init; }

    /// <summary>Width of the residual stream.</summary>
    [Key("hidden_size")] public required int Hidden { get; init; }

    /// <summary>Number of blocks.</summary>
    [Key("num_layers", Paddle = "num_hidden_layers")] public required int Layers { get; init; }

    /// <summary>Number of heads.</summary>
    [Key("num_attention_heads")] public required int Heads { get; init; }

    /// <summary>Trained length, in tokens.</summary>
    [Key("max_sequence_length")] public required int MaxPositions { get; init; }

    /// <summary>Whether the MLP's GELU is the tanh form, as PaddleNLP computes it; the original uses the error function.</summary>
    [Key("gelu_tanh", PaddleDefault = true), Variant("gelu_tanh", true)] public bool TanhGelu { get; init; }

    /// <summary>Id that starts a generated piece; the tokenizer's <c>&lt;|startofpiece|&gt;</c>, which published configs do not name.</summary>
    [Key("sop_token_id")] public int StartOfPieceId { get; init; } = -1;

    /// <summary>Ids of the tokens that stand for a blank (MASK, sMASK, gMASK).</summary>
    [Key("mask_token_ids")] public int[] MaskIds { get; init; } = [];

    /// <summary>ε of LayerNorm, fixed in the original's code.</summary>
    public double Epsilon => 1e-5;

    /// <summary>Width inside the MLP.</summary>
    public int Ffn => 4 * Hidden;

    /// <summary>Width of a head.</summary>
    public int HeadDim => Hidden / Heads;

    /// <summary>Width of the fused query/key/value projection.</summary>
    public int QkvWidth => 3 * Hidden;

    /// <summary>Rows of the position tables: one more than positions.</summary>
    public int PositionRows => MaxPositions + 1;

    /// <summary>GLM-large, 335M.</summary>
    [Preset("glm-large", TensorParallel = [2, 4, 8])]
    public static GlmConfig GlmLarge => new() { Vocab = 30592, Hidden = 1024, Layers = 24, Heads = 16, MaxPositions = 512 };

    /// <summary>GLM-large, Chinese.</summary>
    [Preset("glm-large-chinese", TensorParallel = [2, 4, 8])]
    public static GlmConfig GlmLargeChinese => GlmLarge with { Vocab = 50048, MaxPositions = 1024 };

    /// <summary>GLM-RoBERTa-large: RoBERTa's vocabulary.</summary>
    [Preset("glm-roberta-large", TensorParallel = [2, 4, 8])]
    public static GlmConfig GlmRobertaLarge => GlmLarge with { Vocab = 50304 };

    /// <summary>GLM-2B.</summary>
    [Preset("glm-2b", TensorParallel = [2, 4, 8])]
    public static GlmConfig Glm2B => new() { Vocab = 50304, Hidden = 2048, Layers = 36, Heads = 32, MaxPositions = 1024 };

    /// <summary>GLM-10B.</summary>
    [Preset("glm-10b", TensorParallel = [2, 4, 8])]
    public static GlmConfig Glm10B => new() { Vocab = 50304, Hidden = 4096, Layers = 48, Heads = 64, MaxPositions = 1024 };

    /// <summary>GLM-10B, Chinese.</summary>
    [Preset("glm-10b-chinese", TensorParallel = [2, 4, 8])]
    public static GlmConfig Glm10BChinese => new() { Vocab = 50048, Hidden = 4096, Layers = 48, Heads = 64, MaxPositions = 1024 };

    partial void Check(ConfigReader reader)
    {
        reader.Require(reader.BoolOr(true, "block_position_encoding"), "block_position_encoding", "is not supported: positions have two tables");
        reader.Require(!reader.BoolOr(false, "relative_encoding"), "relative_encoding", "is not supported: positions are absolute");
        reader.Require(reader.DoubleOr(1, "attention_scale") == 1, "attention_scale", "is not the 1 that this architecture has");
    }
}

/// <summary>One GLM block.</summary>
/// <param name="c">The model's config.</param>
[Block("transformer.layers.{i}", Paddle = "glm.transformer.layers.{i}")]
public sealed partial class GlmBlock(GlmConfig c)
{
    [LayerNorm(nameof(c.Hidden), "input_layernorm", Epsilon = nameof(c.Epsilon))]
    private partial Flow AttnNorm(Flow x);

    [Linear(nameof(c.Hidden), nameof(c.QkvWidth), "attention.query_key_value", Bias = true, PaddleSplit = PaddleSplit.HeadByHead)]
    private partial Flow Qkv(Flow x);

    [Sections(nameof(c.Hidden), nameof(c.Hidden), nameof(c.Hidden))]
    private partial Flow3 Cut(Flow x);

    [Attention(nameof(c.Heads), nameof(c.Heads), nameof(c.HeadDim), Prefix = true)]
    private partial Flow Attend(Flow q, Flow k, Flow v);

    [Linear(nameof(c.Hidden), nameof(c.Hidden), "attention.dense", Bias = true)]
    private partial Flow Dense(Flow x);

    [LayerNorm(nameof(c.Hidden), "post_attention_layernorm", Epsilon = nameof(c.Epsilon))]
    private partial Flow MlpNorm(Flow x);

    [Linear(nameof(c.Hidden), nameof(c.Ffn), "mlp.dense_h_to_4h", Bias = true)]
    private partial Flow Up(Flow x);

    [Linear(nameof(c.Ffn), nameof(c.Hidden), "mlp.dense_4h_to_h", Bias = true)]
    private partial Flow Down(Flow x);

    private Flow Attention(Flow x)
    {
        var (q, k, v) = Cut(Qkv(x));
        return Dense(Attend(q, k, v));
    }

    /// <summary>The block's wiring.</summary>
    /// <param name="x">[batch, time, <see cref="GlmConfig.Hidden"/>].</param>
    public Flow Forward(Flow x)
    {
        var h = x + Attention(AttnNorm(x));
        return h + Down(Gelu(Up(MlpNorm(h))));
    }

    [ForwardWhen(nameof(c.TanhGelu))]
    private Flow ForwardTanh(Flow x)
    {
        var h = x + Attention(AttnNorm(x));
        return h + Down(GeluTanh(Up(MlpNorm(h))));
    }
}

/// <summary>GLM: a prefix decoder whose tokens have a position in the text and one in the blank.</summary>
/// <param name="c">The model's config.</param>
[Model("glm", Architectures = ["GLMModel", "GLMForConditionalGeneration"], PaddleArchitectures = ["GLMForConditionalGeneration", "GLMModel"])]
[Inputs<GlmInputs>]
public sealed partial class Glm(GlmConfig c)
{
    [Embedding(nameof(c.Vocab), nameof(c.Hidden), "word_embeddings", Paddle = "glm.word_embeddings")]
    private partial Flow Embed(Tokens ids);

    [PositionEmbedding(nameof(c.PositionRows), nameof(c.Hidden), "transformer.position_embeddings", Paddle = "glm.transformer.position_embeddings")]
    private partial Flow TextPositions(Tokens ids);

    [PositionEmbedding(nameof(c.PositionRows), nameof(c.Hidden), "transformer.block_position_embeddings", Positions = PositionKind.Block, Paddle = "glm.transformer.block_position_embeddings")]
    private partial Flow BlankPositions(Tokens ids);

    [Repeat<GlmBlock>(nameof(c.Layers))]
    private partial Flow Blocks(Flow x);

    [LayerNorm(nameof(c.Hidden), "transformer.final_layernorm", Epsilon = nameof(c.Epsilon), Paddle = "glm.transformer.final_layernorm")]
    private partial Flow FinalNorm(Flow x);

    [Linear(nameof(c.Hidden), nameof(c.Vocab), "lm_head", TiedTo = nameof(Embed))]
    private partial Flow Head(Flow x);

    /// <summary>The model's wiring.</summary>
    /// <param name="ids">[batch, time].</param>
    public Flow Forward(Tokens ids) => Head(FinalNorm(Blocks(Embed(ids) + TextPositions(ids) + BlankPositions(ids))));
}
