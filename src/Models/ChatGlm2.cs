using Generated.Configuration;
using Generated.Layers;
using static Generated.Ops;

namespace Generated.Models;

/// <summary>Config of ChatGLM2-6B and ChatGLM3-6B (Zeng et al., 2024).</summary>
[Config]
public sealed partial record ChatGlm2Config
{
    /// <summary>Vocabulary size, padded.</summary>
    [Key("padded_vocab_size", Paddle = "vocab_size")] public required int Vocab { get; init; }

    /// <summary>Width of the residual stream.</summary>
    [Key("hidden_size")] public required int Hidden { get; init; }

    /// <summary>Number of blocks.</summary>
    [Key("num_layers", Paddle = "num_hidden_layers")] public required int Layers { get; init; }

    /// <summary>Number of query heads.</summary>
    [Key("num_attention_heads")] public required int Heads { get; init; }

    /// <summary>Number of key/value heads.</summary>
    [Key("multi_query_group_num")] public int KvHeads { get => field > 0 ? field : Heads; init; }

    /// <summary>Width of a head.</summary>
    [Key("kv_channels")] public int HeadDim { get => field > 0 ? field : Hidden / Heads; init; }

    /// <summary>Width inside the gated MLP.</summary>
    [Key("ffn_hidden_size")] public required int Ffn { get; init; }

    /// <summary>ε of RMSNorm.</summary>
    [Key("layernorm_epsilon")] public double Epsilon { get; init; } = 1e-5;

    /// <summary>Trained length, in tokens.</summary>
    [Key("seq_length", Paddle = "max_sequence_length")] public int MaxPositions { get; init; } = 32768;

    /// <summary>Whether all linears have biases.</summary>
    [Key("add_bias_linear")] public bool LinearBias { get; init; }

    /// <summary>Whether the query/key/value projection has a bias.</summary>
    [Key("add_qkv_bias")] public bool QkvBiasOnly { get; init; } = true;

    /// <summary>Whether a norm's output, not its input, is the residual.</summary>
    [Key("apply_residual_connection_post_layernorm")] public bool ResidualAfterNorm { get; init; }

    /// <summary>Whether there is a norm before the head.</summary>
    [Key("post_layer_norm")] public bool HasFinalNorm { get; init; } = true;

    /// <summary>How far the 32K variants stretch positions; what it does is <see cref="DividesPositions"/>'s to say.</summary>
    [Key("rope_ratio")] public double RopeRatio { get; init; } = 1;

    /// <summary>An explicit word on <see cref="DividesPositions"/>, for which published files have no key.</summary>
    [Key("rope_ratio_divides_positions")] public bool? DividesPositionsGiven { get; init; }

    /// <summary>
    /// Whether positions are divided by the ratio (the code of ChatGLM2-6B-32K, the one file with a ratio of 16) or the base of
    /// the frequencies is multiplied by it (the code of ChatGLM3-6B-32K).
    /// </summary>
    public bool DividesPositions => DividesPositionsGiven ?? RopeRatio == 16;

    /// <summary>Whether the query/key/value projection has a bias, for either reason.</summary>
    public bool QkvBias => LinearBias || QkvBiasOnly;

    /// <summary>Base of the rotary frequencies.</summary>
    public double Theta => DividesPositions ? 10000 : 10000 * RopeRatio;

    /// <summary>How positions are stretched.</summary>
    public RopeScaling? Scaling => DividesPositions ? RopeScaling.Linear(RopeRatio) : null;

    /// <summary>Features of a head that rotate: the first half.</summary>
    public int RotaryDim => HeadDim / 2;

    /// <summary>Width of all query heads.</summary>
    public int QWidth => Heads * HeadDim;

    /// <summary>Width of all key (or value) heads.</summary>
    public int KvWidth => KvHeads * HeadDim;

    /// <summary>Width of the fused query/key/value projection.</summary>
    public int QkvWidth => QWidth + 2 * KvWidth;

    /// <summary>Width of the fused gate and up projection.</summary>
    public int GateUpWidth => 2 * Ffn;

    /// <summary>ChatGLM2-6B.</summary>
    [Preset("chatglm2-6b", TensorParallel = [2])]
    public static ChatGlm2Config ChatGlm2With6B => new() { Vocab = 65024, Hidden = 4096, Layers = 28, Heads = 32, KvHeads = 2, HeadDim = 128, Ffn = 13696 };

    /// <summary>ChatGLM2-6B-32K: positions divided by 16.</summary>
    [Preset("chatglm2-6b-32k", TensorParallel = [2])]
    public static ChatGlm2Config ChatGlm2With6BLong => ChatGlm2With6B with { RopeRatio = 16 };

    /// <summary>ChatGLM3-6B.</summary>
    [Preset("chatglm3-6b", TensorParallel = [2])]
    public static ChatGlm2Config ChatGlm3With6B => ChatGlm2With6B with { MaxPositions = 8192 };

    /// <summary>ChatGLM3-6B-32K: a rotary base 50 times as large.</summary>
    [Preset("chatglm3-6b-32k", TensorParallel = [2])]
    public static ChatGlm2Config ChatGlm3With6BLong => ChatGlm2With6B with { RopeRatio = 50 };

    partial void Check(ConfigReader reader)
    {
        _ = reader.SizeOr(1, "kv_channels");
        _ = reader.SizeOr(1, "multi_query_group_num");
        reader.Require(reader.BoolOr(true, "rmsnorm"), "rmsnorm", "is not supported: every norm is an RMSNorm");
        reader.Require(reader.BoolOr(true, "multi_query_attention") || KvHeads == Heads, "multi_query_attention", $"contradicts the {KvHeads} groups of 'multi_query_group_num'");
    }
}

/// <summary>One ChatGLM2 block: multi-query attention with half-rotary heads, then a gated MLP from one fused projection.</summary>
/// <param name="c">The model's config.</param>
[Block("transformer.encoder.layers.{i}", Paddle = "chatglm_v2.encoder.layers.{i}")]
public sealed partial class ChatGlm2Block(ChatGlm2Config c)
{
    [RmsNorm(nameof(c.Hidden), "input_layernorm", Epsilon = nameof(c.Epsilon))]
    private partial Flow AttnNorm(Flow x);

    [Linear(nameof(c.Hidden), nameof(c.QkvWidth), "self_attention.query_key_value", BiasWhen = nameof(c.QkvBias))]
    private partial Flow Qkv(Flow x);

    [Sections(nameof(c.QWidth), nameof(c.KvWidth), nameof(c.KvWidth))]
    private partial Flow3 CutQkv(Flow x);

    [Rotary(nameof(c.HeadDim), Dim = nameof(c.RotaryDim), Theta = nameof(c.Theta), Scaling = nameof(c.Scaling), Pairing = RotaryPairing.Adjacent)]
    private partial Flow Rope(Flow x);

    [Attention(nameof(c.Heads), nameof(c.KvHeads), nameof(c.HeadDim))]
    private partial Flow Attend(Flow q, Flow k, Flow v);

    [Linear(nameof(c.QWidth), nameof(c.Hidden), "self_attention.dense", BiasWhen = nameof(c.LinearBias))]
    private partial Flow Dense(Flow x);

    [RmsNorm(nameof(c.Hidden), "post_attention_layernorm", Epsilon = nameof(c.Epsilon))]
    private partial Flow MlpNorm(Flow x);

    [Linear(nameof(c.Hidden), nameof(c.GateUpWidth), "mlp.dense_h_to_4h", BiasWhen = nameof(c.LinearBias))]
    private partial Flow GateUp(Flow x);

    [Sections(nameof(c.Ffn), nameof(c.Ffn))]
    private partial Flow2 CutGateUp(Flow x);

    [Linear(nameof(c.Ffn), nameof(c.Hidden), "mlp.dense_4h_to_h", BiasWhen = nameof(c.LinearBias))]
    private partial Flow Down(Flow x);

    private Flow Attention(Flow x)
    {
        var (q, k, v) = CutQkv(Qkv(x));
        return Dense(Attend(Rope(q), Rope(k), v));
    }

    private Flow Mlp(Flow x)
    {
        var (gate, up) = CutGateUp(GateUp(x));
        return Down(Silu(gate) * up);
    }

    /// <summary>The block's wiring: pre-norm.</summary>
    /// <param name="x">[batch, time, <see cref="ChatGlm2Config.Hidden"/>].</param>
    public Flow Forward(Flow x)
    {
        var h = x + Attention(AttnNorm(x));
        return h + Mlp(MlpNorm(h));
    }

    [ForwardWhen(nameof(c.ResidualAfterNorm))]
    private Flow ForwardResidualAfterNorm(Flow x)
    {
        var a = AttnNorm(x);
        var m = MlpNorm(a + Attention(a));
        return m + Mlp(m);
    }
}

/// <summary>ChatGLM2-6B, ChatGLM3-6B: a causal decoder.</summary>
/// <param name="c">The model's config.</param>
[Model("chatglm", Architectures = ["ChatGLMModel", "ChatGLMForConditionalGeneration"], PaddleModelType = "chatglm_v2", PaddleArchitectures = ["ChatGLMv2ForCausalLM"], RequiredKey = "padded_vocab_size")]
[Ignore("transformer.rotary_pos_emb.inv_freq", Paddle = ["chatglm_v2.rotary_pos_emb.inv_freq"])]
public sealed partial class ChatGlm2(ChatGlm2Config c)
{
    [Embedding(nameof(c.Vocab), nameof(c.Hidden), "transformer.embedding.word_embeddings", Paddle = "chatglm_v2.embedding.word_embeddings")]
    private partial Flow Embed(Tokens ids);

    [Repeat<ChatGlm2Block>(nameof(c.Layers))]
    private partial Flow Blocks(Flow x);

    [RmsNorm(nameof(c.Hidden), "transformer.encoder.final_layernorm", Epsilon = nameof(c.Epsilon), When = nameof(c.HasFinalNorm), Paddle = "chatglm_v2.encoder.final_layernorm")]
    private partial Flow FinalNorm(Flow x);

    [Linear(nameof(c.Hidden), nameof(c.Vocab), "transformer.output_layer", Paddle = "chatglm_v2.output_layer")]
    private partial Flow Head(Flow x);

    /// <summary>The model's wiring.</summary>
    /// <param name="ids">[batch, time].</param>
    public Flow Forward(Tokens ids) => Head(FinalNorm(Blocks(Embed(ids))));
}
