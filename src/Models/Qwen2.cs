using Generated.Configuration;
using Generated.Layers;
using static Generated.Ops;

namespace Generated.Models;

/// <summary>Config of Qwen1.5 and Qwen2 (Yang et al., 2024). Models whose config switches a sliding window on are refused.</summary>
[Config]
public sealed partial record Qwen2Config
{
    /// <summary>Vocabulary size.</summary>
    [Key("vocab_size")] public required int Vocab { get; init; }

    /// <summary>Width of the residual stream.</summary>
    [Key("hidden_size")] public required int Hidden { get; init; }

    /// <summary>Number of blocks.</summary>
    [Key("num_hidden_layers")] public required int Layers { get; init; }

    /// <summary>Number of query heads.</summary>
    [Key("num_attention_heads")] public required int Heads { get; init; }

    /// <summary>Number of key/value heads.</summary>
    [Key("num_key_value_heads")] public int KvHeads { get => field > 0 ? field : Heads; init; }

    /// <summary>Width of a head.</summary>
    [Key("head_dim")] public int HeadDim { get => field > 0 ? field : Hidden / Heads; init; }

    /// <summary>Width inside the gated MLP.</summary>
    [Key("intermediate_size")] public required int Ffn { get; init; }

    /// <summary>ε of RMSNorm.</summary>
    [Key("rms_norm_eps")] public double Epsilon { get; init; } = 1e-6;

    /// <summary>Base of the rotary frequencies.</summary>
    [Key("rope_theta")] public double Theta { get; init; } = 10000;

    /// <summary>How the rotary frequencies are stretched past the trained length.</summary>
    [Key("rope_scaling")] public RopeScaling? Scaling { get; init; }

    /// <summary>Trained length, in tokens.</summary>
    [Key("max_position_embeddings")] public int MaxPositions { get; init; } = 32768;

    /// <summary>Whether the head is the embedding's matrix.</summary>
    [Key("tie_word_embeddings")] public bool Tied { get; init; }

    /// <summary>Whether upper blocks see a window only.</summary>
    [Key("use_sliding_window")] public bool UsesWindow { get; init; }

    /// <summary>Width of all query heads.</summary>
    public int QWidth => Heads * HeadDim;

    /// <summary>Width of all key (or value) heads.</summary>
    public int KvWidth => KvHeads * HeadDim;

    /// <summary>Qwen1.5 0.5B.</summary>
    [Preset("qwen1.5-0.5b", TensorParallel = [2, 4, 8])]
    public static Qwen2Config Qwen15With0B5 => new() { Vocab = 151936, Hidden = 1024, Layers = 24, Heads = 16, Ffn = 2816, Theta = 1000000, Tied = true };

    /// <summary>Qwen1.5 1.8B.</summary>
    [Preset("qwen1.5-1.8b", TensorParallel = [2, 4, 8])]
    public static Qwen2Config Qwen15With1B8 => new() { Vocab = 151936, Hidden = 2048, Layers = 24, Heads = 16, Ffn = 5504, Theta = 1000000 };

    /// <summary>Qwen1.5 4B; 20 heads, and a rotary base of its own.</summary>
    [Preset("qwen1.5-4b", TensorParallel = [2, 4])]
    public static Qwen2Config Qwen15With4B => new() { Vocab = 151936, Hidden = 2560, Layers = 40, Heads = 20, Ffn = 6912, Theta = 5000000 };

    /// <summary>Qwen1.5 7B.</summary>
    [Preset("qwen1.5-7b", TensorParallel = [2, 4, 8])]
    public static Qwen2Config Qwen15With7B => new() { Vocab = 151936, Hidden = 4096, Layers = 32, Heads = 32, Ffn = 11008, Theta = 1000000 };

    /// <summary>Qwen1.5 14B.</summary>
    [Preset("qwen1.5-14b", TensorParallel = [2, 4, 8])]
    public static Qwen2Config Qwen15With14B => new() { Vocab = 152064, Hidden = 5120, Layers = 40, Heads = 40, Ffn = 13696, Theta = 1000000 };

    /// <summary>Qwen1.5 32B; the first size with grouped queries.</summary>
    [Preset("qwen1.5-32b", TensorParallel = [2, 4, 8])]
    public static Qwen2Config Qwen15With32B => new() { Vocab = 152064, Hidden = 5120, Layers = 64, Heads = 40, KvHeads = 8, Ffn = 27392, Theta = 1000000 };

    /// <summary>Qwen1.5 72B.</summary>
    [Preset("qwen1.5-72b", TensorParallel = [2, 4, 8])]
    public static Qwen2Config Qwen15With72B => new() { Vocab = 152064, Hidden = 8192, Layers = 80, Heads = 64, Ffn = 24576, Theta = 1000000 };

    /// <summary>Qwen1.5 110B.</summary>
    [Preset("qwen1.5-110b", TensorParallel = [2, 4, 8])]
    public static Qwen2Config Qwen15With110B => new() { Vocab = 152064, Hidden = 8192, Layers = 80, Heads = 64, KvHeads = 8, Ffn = 49152, Theta = 1000000 };

    /// <summary>Qwen2 0.5B; 14 heads and 2 key/value heads.</summary>
    [Preset("qwen2-0.5b", TensorParallel = [2])]
    public static Qwen2Config Qwen2With0B5 => new() { Vocab = 151936, Hidden = 896, Layers = 24, Heads = 14, KvHeads = 2, Ffn = 4864, Theta = 1000000, MaxPositions = 131072, Tied = true };

    /// <summary>Qwen2 1.5B.</summary>
    [Preset("qwen2-1.5b", TensorParallel = [2])]
    public static Qwen2Config Qwen2With1B5 => new() { Vocab = 151936, Hidden = 1536, Layers = 28, Heads = 12, KvHeads = 2, Ffn = 8960, Theta = 1000000, MaxPositions = 131072, Tied = true };

    /// <summary>Qwen2 7B.</summary>
    [Preset("qwen2-7b", TensorParallel = [2, 4])]
    public static Qwen2Config Qwen2With7B => new() { Vocab = 152064, Hidden = 3584, Layers = 28, Heads = 28, KvHeads = 4, Ffn = 18944, Theta = 1000000, MaxPositions = 131072 };

    /// <summary>Qwen2 72B.</summary>
    [Preset("qwen2-72b", TensorParallel = [2, 4, 8])]
    public static Qwen2Config Qwen2With72B => new() { Vocab = 152064, Hidden = 8192, Layers = 80, Heads = 64, KvHeads = 8, Ffn = 29568, Epsilon = 1e-5, Theta = 1000000, MaxPositions = 131072 };

    partial void Check(ConfigReader reader)
    {
        _ = reader.SizeOr(1, "num_key_value_heads");
        _ = reader.SizeOr(1, "head_dim");
        reader.Require(reader.Has("head_dim") || Hidden % Heads == 0, "hidden_size", $"is not a multiple of the {Heads} attention heads");
        reader.Require(KvHeads > 0 && Heads % KvHeads == 0, "num_key_value_heads", $"does not divide the {Heads} attention heads");
        reader.Require(reader.StringOr("silu", "hidden_act") is "silu" or "swish", "hidden_act", "is not the silu that this architecture has");
        reader.Require(!reader.BoolOr(false, "use_sliding_window"), "use_sliding_window", "is not supported: every layer sees all tokens here");
    }
}

/// <summary>One Qwen2 block: as LLaMA, with biases on queries, keys and values.</summary>
/// <param name="c">The model's config.</param>
[Block("model.layers.{i}", Paddle = "qwen2.layers.{i}"), Ignore("self_attn.rotary_emb.inv_freq")]
public sealed partial class Qwen2Block(Qwen2Config c)
{
    [RmsNorm(nameof(c.Hidden), "input_layernorm", Epsilon = nameof(c.Epsilon))]
    private partial Flow AttnNorm(Flow x);

    [Linear(nameof(c.Hidden), nameof(c.QWidth), "self_attn.q_proj", Bias = true)]
    private partial Flow Q(Flow x);

    [Linear(nameof(c.Hidden), nameof(c.KvWidth), "self_attn.k_proj", Bias = true)]
    private partial Flow K(Flow x);

    [Linear(nameof(c.Hidden), nameof(c.KvWidth), "self_attn.v_proj", Bias = true)]
    private partial Flow V(Flow x);

    [Rotary(nameof(c.HeadDim), Theta = nameof(c.Theta), Scaling = nameof(c.Scaling))]
    private partial Flow Rope(Flow x);

    [Attention(nameof(c.Heads), nameof(c.KvHeads), nameof(c.HeadDim))]
    private partial Flow Attend(Flow q, Flow k, Flow v);

    [Linear(nameof(c.QWidth), nameof(c.Hidden), "self_attn.o_proj")]
    private partial Flow O(Flow x);

    [RmsNorm(nameof(c.Hidden), "post_attention_layernorm", Epsilon = nameof(c.Epsilon))]
    private partial Flow MlpNorm(Flow x);

    [Use<GatedMlp>("mlp", nameof(c.Hidden), nameof(c.Ffn))]
    private partial Flow Mlp(Flow x);

    private Flow Attention(Flow x) => O(Attend(Rope(Q(x)), Rope(K(x)), V(x)));

    /// <summary>The block's wiring.</summary>
    /// <param name="x">[batch, time, <see cref="Qwen2Config.Hidden"/>].</param>
    public Flow Forward(Flow x)
    {
        var h = x + Attention(AttnNorm(x));
        return h + Mlp(MlpNorm(h));
    }
}

/// <summary>Qwen1.5 and Qwen2.</summary>
/// <param name="c">The model's config.</param>
[Model("qwen2", Architectures = ["Qwen2ForCausalLM"], PaddleArchitectures = ["Qwen2ForCausalLM"])]
public sealed partial class Qwen2(Qwen2Config c)
{
    [Embedding(nameof(c.Vocab), nameof(c.Hidden), "model.embed_tokens", Paddle = "qwen2.embed_tokens")]
    private partial Flow Embed(Tokens ids);

    [Repeat<Qwen2Block>(nameof(c.Layers))]
    private partial Flow Blocks(Flow x);

    [RmsNorm(nameof(c.Hidden), "model.norm", Epsilon = nameof(c.Epsilon), Paddle = "qwen2.norm")]
    private partial Flow FinalNorm(Flow x);

    [Linear(nameof(c.Hidden), nameof(c.Vocab), "lm_head", TiedTo = nameof(Embed), TiedWhen = nameof(c.Tied))]
    private partial Flow Head(Flow x);

    /// <summary>The model's wiring.</summary>
    /// <param name="ids">[batch, time].</param>
    public Flow Forward(Tokens ids) => Head(FinalNorm(Blocks(Embed(ids))));
}
