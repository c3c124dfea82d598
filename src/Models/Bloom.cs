using static Generated.Ops;

namespace Generated.Models;

/// <summary>Config of BLOOM and BLOOMZ (BigScience, 2022).</summary>
[Config]
public sealed partial record BloomConfig
{
    /// <summary>Vocabulary size.</summary>
    [Key("vocab_size")] public required int Vocab { get; init; }

    /// <summary>Width of the residual stream.</summary>
    [Key("hidden_size", "n_embed", "n_embd")] public required int Hidden { get; init; }

    /// <summary>Number of blocks.</summary>
    [Key("n_layer", "num_hidden_layers")] public required int Layers { get; init; }

    /// <summary>Number of heads.</summary>
    [Key("n_head", "num_attention_heads")] public required int Heads { get; init; }

    /// <summary>Width inside the MLP.</summary>
    [Key("n_inner")] public int Ffn { get => field > 0 ? field : 4 * Hidden; init; }

    /// <summary>ε of LayerNorm.</summary>
    [Key("layer_norm_epsilon")] public double Epsilon { get; init; } = 1e-5;

    /// <summary>Whether a norm's output, not its input, is the residual.</summary>
    [Key("apply_residual_connection_post_layernorm")] public bool ResidualAfterNorm { get; init; }

    /// <summary>Trained length, in tokens; ALiBi goes beyond it.</summary>
    [Key("seq_length")] public int MaxPositions { get; init; } = 2048;

    /// <summary>Width of a head.</summary>
    public int HeadDim => Hidden / Heads;

    /// <summary>Width of the fused query/key/value projection.</summary>
    public int QkvWidth => 3 * Heads * HeadDim;

    /// <summary>BLOOM 560M.</summary>
    [Preset("bloom-560m", TensorParallel = [2, 4, 8])]
    public static BloomConfig Bloom560M => new() { Vocab = 250880, Hidden = 1024, Layers = 24, Heads = 16 };

    /// <summary>BLOOM 1.1B.</summary>
    [Preset("bloom-1b1", TensorParallel = [2, 4, 8])]
    public static BloomConfig Bloom1B1 => new() { Vocab = 250880, Hidden = 1536, Layers = 24, Heads = 16 };

    /// <summary>BLOOM 1.7B.</summary>
    [Preset("bloom-1b7", TensorParallel = [2, 4, 8])]
    public static BloomConfig Bloom1B7 => new() { Vocab = 250880, Hidden = 2048, Layers = 24, Heads = 16 };

    /// <summary>BLOOM 3B.</summary>
    [Preset("bloom-3b", TensorParallel = [2, 4, 8])]
    public static BloomConfig Bloom3B => new() { Vocab = 250880, Hidden = 2560, Layers = 30, Heads = 32 };

    /// <summary>BLOOM 7.1B.</summary>
    [Preset("bloom-7b1", TensorParallel = [2, 4, 8])]
    public static BloomConfig Bloom7B1 => new() { Vocab = 250880, Hidden = 4096, Layers = 30, Heads = 32 };

    /// <summary>BLOOM 176B; 112 heads are no power of two.</summary>
    [Preset("bloom-176b", TensorParallel = [2, 4, 8, 16])]
    public static BloomConfig Bloom176B => new() { Vocab = 250880, Hidden = 14336, Layers = 70, Heads = 112 };
}

/// <summary>One BLOOM block: fused attention with ALiBi, then an MLP.</summary>
/// <param name="c">The model's config.</param>
[Block("transformer.h.{i}", Paddle = "bloom.h.{i}")]
public sealed partial class BloomBlock(BloomConfig c)
{
    [LayerNorm(nameof(c.Hidden), "input_layernorm", Epsilon = nameof(c.Epsilon))]
    private partial Flow AttnNorm(Flow x);

    [Linear(nameof(c.Hidden), nameof(c.QkvWidth), "self_attention.query_key_value", Bias = true)]
    private partial Flow Qkv(Flow x);

    [Sections(nameof(c.HeadDim), nameof(c.HeadDim), nameof(c.HeadDim), Groups = nameof(c.Heads))]
    private partial Flow3 Cut(Flow x);

    [Attention(nameof(c.Heads), nameof(c.Heads), nameof(c.HeadDim), Alibi = true)]
    private partial Flow Attend(Flow q, Flow k, Flow v);

    [Linear(nameof(c.Hidden), nameof(c.Hidden), "self_attention.dense", Bias = true)]
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

    private Flow Mlp(Flow x) => Down(GeluTanh(Up(x)));

    /// <summary>The block's wiring: pre-norm.</summary>
    /// <param name="x">[batch, time, <see cref="BloomConfig.Hidden"/>].</param>
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

/// <summary>BLOOM: a decoder without position embeddings and with a norm behind the embedding.</summary>
/// <param name="c">The model's config.</param>
[Model("bloom", Architectures = ["BloomForCausalLM", "BloomModel"], PaddleArchitectures = ["BloomForCausalLM"], OptionalPrefix = "transformer.")]
public sealed partial class Bloom(BloomConfig c)
{
    [Embedding(nameof(c.Vocab), nameof(c.Hidden), "transformer.word_embeddings", Paddle = "bloom.word_embeddings")]
    private partial Flow Embed(Tokens ids);

    [LayerNorm(nameof(c.Hidden), "transformer.word_embeddings_layernorm", Epsilon = nameof(c.Epsilon), Paddle = "bloom.word_embeddings_layernorm")]
    private partial Flow EmbedNorm(Flow x);

    [Repeat<BloomBlock>(nameof(c.Layers))]
    private partial Flow Blocks(Flow x);

    [LayerNorm(nameof(c.Hidden), "transformer.ln_f", Epsilon = nameof(c.Epsilon), Paddle = "bloom.ln_f")]
    private partial Flow FinalNorm(Flow x);

    [Linear(nameof(c.Hidden), nameof(c.Vocab), "lm_head", TiedTo = nameof(Embed))]
    private partial Flow Head(Flow x);

    /// <summary>The model's wiring.</summary>
    /// <param name="ids">[batch, time].</param>
    public Flow Forward(Tokens ids) => Head(FinalNorm(Blocks(EmbedNorm(Embed(ids)))));
}
