using Generated.Configuration;
using static Generated.Ops;

namespace Generated.Models;

/// <summary>Config of ChatGLM-6B (Du et al., 2022; Zeng et al., 2023).</summary>
[Config]
public sealed partial record ChatGlmConfig
{
    /// <summary>Vocabulary size.</summary>
    [Key("vocab_size")] public required int Vocab { get; init; }

    /// <summary>Width of the residual stream.</summary>
    [Key("hidden_size")] public required int Hidden { get; init; }

    /// <summary>Number of blocks.</summary>
    [Key("num_layers", Paddle = "num_hidden_layers")] public required int Layers { get; init; }

    /// <summary>Number of heads.</summary>
    [Key("num_attention_heads")] public required int Heads { get; init; }

    /// <summary>Width inside the MLP.</summary>
    [Key("inner_hidden_size")] public int Ffn { get => field > 0 ? field : 4 * Hidden; init; }

    /// <summary>ε of LayerNorm.</summary>
    [Key("layernorm_epsilon")] public double Epsilon { get; init; } = 1e-5;

    /// <summary>Trained length, in tokens.</summary>
    [Key("max_sequence_length")] public int MaxPositions { get; init; } = 2048;

    /// <summary>Id that starts the answer.</summary>
    [Key("bos_token_id")] public int BosId { get; init; } = 130004;

    /// <summary>Id that stands for the text to be generated at the end of the prompt.</summary>
    [Key("gmask_token_id")] public int GMaskId { get; init; } = 130001;

    /// <summary>Id that stands for text to be filled in.</summary>
    [Key("mask_token_id")] public int MaskId { get; init; } = 130000;

    /// <summary>
    /// Depth in the residual factor √(2·depth). The published model's code takes the depth from the config in effect;
    /// a literal reading of its block class would use 28 for any depth.
    /// </summary>
    [Key("residual_depth"), Variant("alpha28", 28)] public int ResidualDepth { get => field > 0 ? field : Layers; init; }

    /// <summary>Whether the rotary frequencies are rounded to float16, as the original does and PaddleNLP does not.</summary>
    [Key("rotary_half_frequencies", PaddleDefault = false), Variant("inv_freq_fp32", false)] public bool HalfFrequencies { get; init; } = true;

    /// <summary>Whether the head is the embedding's matrix. The original's files hold both; PaddleNLP has one.</summary>
    [Key("tie_word_embeddings", PaddleDefault = true)] public bool Tied { get; init; }

    /// <summary>Width of a head.</summary>
    public int HeadDim => Hidden / Heads;

    /// <summary>Width of the fused query/key/value projection.</summary>
    public int QkvWidth => 3 * Heads * HeadDim;

    /// <summary>ChatGLM-6B v1.1.</summary>
    [Preset("chatglm-6b", TensorParallel = [2, 4, 8])]
    public static ChatGlmConfig ChatGlm6B => new() { Vocab = 130528, Hidden = 4096, Layers = 28, Heads = 32, Ffn = 16384 };

    partial void Check(ConfigReader reader) =>
        reader.Require(reader.BoolOr(true, "position_encoding_2d"), "position_encoding_2d", "is not supported: heads rotate by two positions");
}

/// <summary>One ChatGLM-6B block. Each norm's output also is the residual, scaled: nothing can be folded into the linears behind it.</summary>
/// <param name="c">The model's config.</param>
[Block("transformer.layers.{i}", Paddle = "chatglm.transformer.layers.{i}"), Ignore("attention.rotary_emb.inv_freq")]
public sealed partial class ChatGlmBlock(ChatGlmConfig c)
{
    [LayerNorm(nameof(c.Hidden), "input_layernorm", Epsilon = nameof(c.Epsilon))]
    private partial Flow AttnNorm(Flow x);

    [Linear(nameof(c.Hidden), nameof(c.QkvWidth), "attention.query_key_value", Bias = true)]
    private partial Flow Qkv(Flow x);

    [Sections(nameof(c.HeadDim), nameof(c.HeadDim), nameof(c.HeadDim), Groups = nameof(c.Heads))]
    private partial Flow3 Cut(Flow x);

    [Rotary(nameof(c.HeadDim), Positions = PositionKind.SequenceAndBlock, HalfFrequenciesWhen = nameof(c.HalfFrequencies))]
    private partial Flow Rope(Flow x);

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

    private double Alpha => Math.Sqrt(2.0 * c.ResidualDepth);

    private Flow Attention(Flow x)
    {
        var (q, k, v) = Cut(Qkv(x));
        return Dense(Attend(Rope(q), Rope(k), v));
    }

    /// <summary>The block's wiring.</summary>
    /// <param name="x">[batch, time, <see cref="ChatGlmConfig.Hidden"/>].</param>
    public Flow Forward(Flow x)
    {
        var a = AttnNorm(x);
        var h = Alpha * a + Attention(a);
        var m = MlpNorm(h);
        return Alpha * m + Down(GeluTanh(Up(m)));
    }
}

/// <summary>ChatGLM-6B: a prefix decoder with two-dimensional rotary positions.</summary>
/// <param name="c">The model's config.</param>
[Model("chatglm", Architectures = ["ChatGLMModel", "ChatGLMForConditionalGeneration"], PaddleArchitectures = ["ChatGLMForCausalLM"], RequiredKey = "position_encoding_2d")]
[Inputs<ChatGlmInputs>]
public sealed partial class ChatGlm(ChatGlmConfig c)
{
    [Embedding(nameof(c.Vocab), nameof(c.Hidden), "transformer.word_embeddings", Paddle = "chatglm.transformer.word_embeddings")]
    private partial Flow Embed(Tokens ids);

    [Repeat<ChatGlmBlock>(nameof(c.Layers))]
    private partial Flow Blocks(Flow x);

    [LayerNorm(nameof(c.Hidden), "transformer.final_layernorm", Epsilon = nameof(c.Epsilon), Paddle = "chatglm.transformer.final_layernorm")]
    private partial Flow FinalNorm(Flow x);

    [Linear(nameof(c.Hidden), nameof(c.Vocab), "lm_head", TiedTo = nameof(Embed), TiedWhen = nameof(c.Tied), KeepsTied = true, PaddleTies = true)]
    private partial Flow Head(Flow x);

    /// <summary>The model's wiring.</summary>
    /// <param name="ids">[batch, time].</param>
    public Flow Forward(Tokens ids) => Head(FinalNorm(Blocks(Embed(ids))));
}
