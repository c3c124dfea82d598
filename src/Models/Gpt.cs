using Generated.Configuration;
using static Generated.Ops;

namespace Generated.Models;

/// <summary>Config of GPT-2 and GPT-3 in Hugging Face's gpt2 layout (Radford et al., 2019; Brown et al., 2020).</summary>
[Config]
public sealed partial record GptConfig
{
    /// <summary>Vocabulary size.</summary>
    [Key("vocab_size")] public required int Vocab { get; init; }

    /// <summary>Width of the residual stream.</summary>
    [Key("n_embd", "hidden_size", Paddle = "hidden_size")] public required int Hidden { get; init; }

    /// <summary>Number of blocks.</summary>
    [Key("n_layer", "num_hidden_layers", Paddle = "num_hidden_layers")] public required int Layers { get; init; }

    /// <summary>Number of heads.</summary>
    [Key("n_head", "num_attention_heads", Paddle = "num_attention_heads")] public required int Heads { get; init; }

    /// <summary>Rows of the position table.</summary>
    [Key("n_positions", "max_position_embeddings", Paddle = "max_position_embeddings")] public required int MaxPositions { get; init; }

    /// <summary>Width inside the MLP.</summary>
    [Key("n_inner", "intermediate_size", Paddle = "intermediate_size")] public int Ffn { get => field > 0 ? field : 4 * Hidden; init; }

    /// <summary>ε of LayerNorm.</summary>
    [Key("layer_norm_epsilon", "layer_norm_eps", Paddle = "layer_norm_eps")] public double Epsilon { get; init; } = 1e-5;

    /// <summary>Whether the head is the embedding's matrix.</summary>
    [Key("tie_word_embeddings")] public bool Tied { get; init; } = true;

    /// <summary>Width of a head.</summary>
    public int HeadDim => Hidden / Heads;

    /// <summary>Width of the fused query/key/value projection.</summary>
    public int QkvWidth => 3 * Hidden;

    /// <summary>GPT-2, 124M.</summary>
    [Preset("gpt2")]
    public static GptConfig Gpt2 => new() { Vocab = 50257, Hidden = 768, Layers = 12, Heads = 12, MaxPositions = 1024 };

    /// <summary>GPT-2 medium, 355M.</summary>
    [Preset("gpt2-medium")]
    public static GptConfig Gpt2Medium => new() { Vocab = 50257, Hidden = 1024, Layers = 24, Heads = 16, MaxPositions = 1024 };

    /// <summary>GPT-2 large, 774M.</summary>
    [Preset("gpt2-large")]
    public static GptConfig Gpt2Large => new() { Vocab = 50257, Hidden = 1280, Layers = 36, Heads = 20, MaxPositions = 1024 };

    /// <summary>GPT-2 XL, 1.5B.</summary>
    [Preset("gpt2-xl")]
    public static GptConfig Gpt2Xl => new() { Vocab = 50257, Hidden = 1600, Layers = 48, Heads = 25, MaxPositions = 1024 };

    /// <summary>GPT-3 125M (Brown et al., 2020).</summary>
    [Preset("gpt3-125m", TensorParallel = [2, 4])]
    public static GptConfig Gpt3With125M => new() { Vocab = 50304, Hidden = 768, Layers = 12, Heads = 12, MaxPositions = 2048 };

    /// <summary>GPT-3 350M.</summary>
    [Preset("gpt3-350m", TensorParallel = [2, 4, 8])]
    public static GptConfig Gpt3With350M => new() { Vocab = 50304, Hidden = 1024, Layers = 24, Heads = 16, MaxPositions = 2048 };

    /// <summary>GPT-3 760M.</summary>
    [Preset("gpt3-760m", TensorParallel = [2, 4, 8])]
    public static GptConfig Gpt3With760M => new() { Vocab = 50304, Hidden = 1536, Layers = 24, Heads = 16, MaxPositions = 2048 };

    /// <summary>GPT-3 1.3B, as PaddleNLP publishes it: 16 heads, half of the paper's length.</summary>
    [Preset("gpt3-1.3b", TensorParallel = [2, 4, 8])]
    public static GptConfig Gpt3With1B3 => new() { Vocab = 50304, Hidden = 2048, Layers = 24, Heads = 16, MaxPositions = 1024 };

    /// <summary>GPT-3 2.7B.</summary>
    [Preset("gpt3-2.7b", TensorParallel = [2, 4, 8])]
    public static GptConfig Gpt3With2B7 => new() { Vocab = 50304, Hidden = 2560, Layers = 32, Heads = 32, MaxPositions = 2048 };

    /// <summary>GPT-3 6.7B, of PaddleNLP's length.</summary>
    [Preset("gpt3-6.7b", TensorParallel = [2, 4, 8])]
    public static GptConfig Gpt3With6B7 => new() { Vocab = 50304, Hidden = 4096, Layers = 32, Heads = 32, MaxPositions = 1024 };

    /// <summary>GPT-3 13B, of PaddleNLP's length, with the paper's 40 heads; PaddleNLP's own list says 128.</summary>
    [Preset("gpt3-13b", TensorParallel = [2, 4, 8])]
    public static GptConfig Gpt3With13B => new() { Vocab = 50304, Hidden = 5120, Layers = 40, Heads = 40, MaxPositions = 1024 };

    /// <summary>GPT-3 175B, as PaddleNLP publishes it.</summary>
    [Preset("gpt3-175b", TensorParallel = [2, 4, 8])]
    public static GptConfig Gpt3With175B => new() { Vocab = 51200, Hidden = 12288, Layers = 96, Heads = 96, MaxPositions = 1024 };

    partial void Check(ConfigReader reader)
    {
        _ = reader.SizeOr(1, "n_inner", "intermediate_size");
        reader.Require(
            reader.StringOr("gelu_new", "activation_function") is "gelu_new" or "gelu_pytorch_tanh", "activation_function", "is not the tanh form of gelu that this architecture has");
        reader.Require(reader.BoolOr(true, "scale_attn_weights"), "scale_attn_weights", "is not supported: scores are divided by the root of the head width");
        reader.Require(!reader.BoolOr(false, "scale_attn_by_inverse_layer_idx"), "scale_attn_by_inverse_layer_idx", "is not supported: scores are scaled alike in every layer");
        reader.Require(!reader.BoolOr(false, "add_cross_attention"), "add_cross_attention", "is not supported: this is a decoder without an encoder");
    }
}

/// <summary>One GPT block; its linears lie in the file as [in, out].</summary>
/// <param name="c">The model's config.</param>
[Block("transformer.h.{i}", Paddle = "gpt.decoder.layers.{i}"), Ignore("attn.bias", "attn.masked_bias")]
public sealed partial class GptBlock(GptConfig c)
{
    [LayerNorm(nameof(c.Hidden), "ln_1", Epsilon = nameof(c.Epsilon), Paddle = "norm1")]
    private partial Flow AttnNorm(Flow x);

    [Linear(nameof(c.Hidden), nameof(c.QkvWidth), "attn.c_attn", Bias = true, Layout = WeightLayout.InOut,
        PaddleSections = ["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"])]
    private partial Flow Qkv(Flow x);

    [Sections(nameof(c.Hidden), nameof(c.Hidden), nameof(c.Hidden))]
    private partial Flow3 Cut(Flow x);

    [Attention(nameof(c.Heads), nameof(c.Heads), nameof(c.HeadDim))]
    private partial Flow Attend(Flow q, Flow k, Flow v);

    [Linear(nameof(c.Hidden), nameof(c.Hidden), "attn.c_proj", Bias = true, Layout = WeightLayout.InOut, Paddle = "self_attn.out_proj")]
    private partial Flow Dense(Flow x);

    [LayerNorm(nameof(c.Hidden), "ln_2", Epsilon = nameof(c.Epsilon), Paddle = "norm2")]
    private partial Flow MlpNorm(Flow x);

    [Linear(nameof(c.Hidden), nameof(c.Ffn), "mlp.c_fc", Bias = true, Layout = WeightLayout.InOut, Paddle = "linear1")]
    private partial Flow Up(Flow x);

    [Linear(nameof(c.Ffn), nameof(c.Hidden), "mlp.c_proj", Bias = true, Layout = WeightLayout.InOut, Paddle = "linear2")]
    private partial Flow Down(Flow x);

    private Flow Attention(Flow x)
    {
        var (q, k, v) = Cut(Qkv(x));
        return Dense(Attend(q, k, v));
    }

    /// <summary>The block's wiring.</summary>
    /// <param name="x">[batch, time, <see cref="GptConfig.Hidden"/>].</param>
    public Flow Forward(Flow x)
    {
        var h = x + Attention(AttnNorm(x));
        return h + Down(GeluTanh(Up(MlpNorm(h))));
    }
}

/// <summary>GPT-2 and GPT-3: a decoder with learned positions.</summary>
/// <param name="c">The model's config.</param>
[Model("gpt2", Architectures = ["GPT2LMHeadModel", "GPT2Model"], PaddleModelType = "gpt", PaddleArchitectures = ["GPTForCausalLM", "GPTLMHeadModel"], OptionalPrefix = "transformer.")]
public sealed partial class Gpt(GptConfig c)
{
    [Embedding(nameof(c.Vocab), nameof(c.Hidden), "transformer.wte", Paddle = "gpt.embeddings.word_embeddings")]
    private partial Flow Embed(Tokens ids);

    [PositionEmbedding(nameof(c.MaxPositions), nameof(c.Hidden), "transformer.wpe", Paddle = "gpt.embeddings.position_embeddings")]
    private partial Flow Positions(Tokens ids);

    [Repeat<GptBlock>(nameof(c.Layers))]
    private partial Flow Blocks(Flow x);

    [LayerNorm(nameof(c.Hidden), "transformer.ln_f", Epsilon = nameof(c.Epsilon), Paddle = "gpt.decoder.norm")]
    private partial Flow FinalNorm(Flow x);

    [Linear(nameof(c.Hidden), nameof(c.Vocab), "lm_head", TiedTo = nameof(Embed), TiedWhen = nameof(c.Tied), PaddleKeepsTied = true)]
    private partial Flow Head(Flow x);

    /// <summary>The model's wiring.</summary>
    /// <param name="ids">[batch, time].</param>
    public Flow Forward(Tokens ids) => Head(FinalNorm(Blocks(Embed(ids) + Positions(ids))));
}
