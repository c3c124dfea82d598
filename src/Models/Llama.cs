using Generated.Configuration;
using Generated.Layers;
using static Generated.Ops;

namespace Generated.Models;

/// <summary>Config of LLaMA 1, 2 and 3 and their derivatives (Touvron et al., 2023; Grattafiori et al., 2024).</summary>
[Config]
public sealed partial record LlamaConfig
{
    /// <summary>Vocabulary size.</summary>
    [Key("vocab_size")] public required int Vocab { get; init; }

    /// <summary>Width of the residual stream.</summary>
    [Key("hidden_size")] public required int Hidden { get; init; }

    /// <summary>Number of blocks.</summary>
    [Key("num_hidden_layers")] public required int Layers { get; init; }

    /// <summary>Number of query heads.</summary>
    [Key("num_attention_heads")] public required int Heads { get; init; }

    /// <summary>Number of key/value heads (grouped-query attention); as many as query heads where the file does not say.</summary>
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
    [Key("max_position_embeddings")] public int MaxPositions { get; init; } = 2048;

    /// <summary>Whether the head is the embedding's matrix.</summary>
    [Key("tie_word_embeddings")] public bool Tied { get; init; }

    /// <summary>Whether the attention's linears have biases.</summary>
    [Key("attention_bias")] public bool AttentionBias { get; init; }

    /// <summary>Width of all query heads.</summary>
    public int QWidth => Heads * HeadDim;

    /// <summary>Width of all key (or value) heads.</summary>
    public int KvWidth => KvHeads * HeadDim;

    /// <summary>LLaMA 7B.</summary>
    [Preset("llama-7b", TensorParallel = [2, 4, 8])]
    public static LlamaConfig Llama7B => new() { Vocab = 32000, Hidden = 4096, Layers = 32, Heads = 32, Ffn = 11008 };

    /// <summary>LLaMA 13B.</summary>
    [Preset("llama-13b", TensorParallel = [2, 4, 8])]
    public static LlamaConfig Llama13B => new() { Vocab = 32000, Hidden = 5120, Layers = 40, Heads = 40, Ffn = 13824 };

    /// <summary>LLaMA 30B.</summary>
    [Preset("llama-30b", TensorParallel = [2, 4])]
    public static LlamaConfig Llama30B => new() { Vocab = 32000, Hidden = 6656, Layers = 60, Heads = 52, Ffn = 17920 };

    /// <summary>LLaMA 65B.</summary>
    [Preset("llama-65b", TensorParallel = [2, 4, 8])]
    public static LlamaConfig Llama65B => new() { Vocab = 32000, Hidden = 8192, Layers = 80, Heads = 64, Ffn = 22016, Epsilon = 1e-5 };

    /// <summary>Llama 2 7B.</summary>
    [Preset("llama-2-7b", TensorParallel = [2, 4, 8])]
    public static LlamaConfig Llama2With7B => new() { Vocab = 32000, Hidden = 4096, Layers = 32, Heads = 32, Ffn = 11008, Epsilon = 1e-5, MaxPositions = 4096 };

    /// <summary>Llama 2 13B.</summary>
    [Preset("llama-2-13b", TensorParallel = [2, 4, 8])]
    public static LlamaConfig Llama2With13B => new() { Vocab = 32000, Hidden = 5120, Layers = 40, Heads = 40, Ffn = 13824, Epsilon = 1e-5, MaxPositions = 4096 };

    /// <summary>Llama 2 70B.</summary>
    [Preset("llama-2-70b", TensorParallel = [2, 4, 8])]
    public static LlamaConfig Llama2With70B => new() { Vocab = 32000, Hidden = 8192, Layers = 80, Heads = 64, KvHeads = 8, Ffn = 28672, Epsilon = 1e-5, MaxPositions = 4096 };

    /// <summary>Llama 3 8B.</summary>
    [Preset("llama-3-8b", TensorParallel = [2, 4, 8])]
    public static LlamaConfig Llama3With8B => new() { Vocab = 128256, Hidden = 4096, Layers = 32, Heads = 32, KvHeads = 8, Ffn = 14336, Epsilon = 1e-5, Theta = 500000, MaxPositions = 8192 };

    /// <summary>Llama 3 70B.</summary>
    [Preset("llama-3-70b", TensorParallel = [2, 4, 8])]
    public static LlamaConfig Llama3With70B => new() { Vocab = 128256, Hidden = 8192, Layers = 80, Heads = 64, KvHeads = 8, Ffn = 28672, Epsilon = 1e-5, Theta = 500000, MaxPositions = 8192 };

    /// <summary>Llama 3.1 8B.</summary>
    [Preset("llama-3.1-8b", TensorParallel = [2, 4, 8])]
    public static LlamaConfig Llama31With8B => Llama3With8B with { MaxPositions = 131072, Scaling = RopeScaling.Llama3(8, 1, 4, 8192) };

    /// <summary>Llama 3.1 70B.</summary>
    [Preset("llama-3.1-70b", TensorParallel = [2, 4, 8])]
    public static LlamaConfig Llama31With70B => Llama3With70B with { MaxPositions = 131072, Scaling = RopeScaling.Llama3(8, 1, 4, 8192) };

    /// <summary>Stanford Alpaca 7B: LLaMA with a padding token more, which no tensor-parallel degree divides.</summary>
    [Preset("alpaca-7b")]
    public static LlamaConfig Alpaca7B => Llama7B with { Vocab = 32001 };

    /// <summary>Vicuna 7B v1.5, from Llama 2; versions before are llama-7b.</summary>
    [Preset("vicuna-7b-v1.5", TensorParallel = [2, 4, 8])]
    public static LlamaConfig Vicuna7B => Llama2With7B with { };

    /// <summary>Vicuna 13B v1.5, from Llama 2; versions before are llama-13b.</summary>
    [Preset("vicuna-13b-v1.5", TensorParallel = [2, 4, 8])]
    public static LlamaConfig Vicuna13B => Llama2With13B with { };

    /// <summary>Chinese-LLaMA 7B (Cui et al., 2023), also Plus; no tensor-parallel degree divides its vocabulary.</summary>
    [Preset("chinese-llama-7b")]
    public static LlamaConfig ChineseLlama7B => Llama7B with { Vocab = 49953 };

    /// <summary>Chinese-LLaMA 13B, also Plus.</summary>
    [Preset("chinese-llama-13b")]
    public static LlamaConfig ChineseLlama13B => Llama13B with { Vocab = 49953 };

    /// <summary>Chinese-LLaMA 33B.</summary>
    [Preset("chinese-llama-33b")]
    public static LlamaConfig ChineseLlama33B => Llama30B with { Vocab = 49953 };

    /// <summary>Chinese-Alpaca 7B, also Plus: Chinese-LLaMA with a padding token.</summary>
    [Preset("chinese-alpaca-7b", TensorParallel = [2])]
    public static LlamaConfig ChineseAlpaca7B => Llama7B with { Vocab = 49954 };

    /// <summary>Chinese-Alpaca 13B, also Plus.</summary>
    [Preset("chinese-alpaca-13b", TensorParallel = [2])]
    public static LlamaConfig ChineseAlpaca13B => Llama13B with { Vocab = 49954 };

    /// <summary>Chinese-Alpaca 33B, also Plus and Pro.</summary>
    [Preset("chinese-alpaca-33b", TensorParallel = [2])]
    public static LlamaConfig ChineseAlpaca33B => Llama30B with { Vocab = 49954 };

    /// <summary>Chinese-LLaMA-2 and Chinese-Alpaca-2 1.3B.</summary>
    [Preset("chinese-llama-2-1.3b", TensorParallel = [2, 4, 8])]
    public static LlamaConfig ChineseLlama2With1B3 => Llama2With7B with { Vocab = 55296, Layers = 4 };

    /// <summary>Chinese-LLaMA-2 and Chinese-Alpaca-2 7B.</summary>
    [Preset("chinese-llama-2-7b", TensorParallel = [2, 4, 8])]
    public static LlamaConfig ChineseLlama2With7B => Llama2With7B with { Vocab = 55296 };

    /// <summary>Chinese-LLaMA-2 and Chinese-Alpaca-2 7B, 16K.</summary>
    [Preset("chinese-llama-2-7b-16k", TensorParallel = [2, 4, 8])]
    public static LlamaConfig ChineseLlama2With7BLong => ChineseLlama2With7B with { MaxPositions = 16384, Scaling = RopeScaling.Linear(4) };

    /// <summary>Chinese-LLaMA-2 and Chinese-Alpaca-2 13B.</summary>
    [Preset("chinese-llama-2-13b", TensorParallel = [2, 4, 8])]
    public static LlamaConfig ChineseLlama2With13B => Llama2With13B with { Vocab = 55296 };

    /// <summary>Chinese-LLaMA-2 and Chinese-Alpaca-2 13B, 16K.</summary>
    [Preset("chinese-llama-2-13b-16k", TensorParallel = [2, 4, 8])]
    public static LlamaConfig ChineseLlama2With13BLong => ChineseLlama2With13B with { MaxPositions = 16384, Scaling = RopeScaling.Linear(4) };

    /// <summary>Ziya-LLaMA 13B, v1 and v1.1 (IDEA-CCNL).</summary>
    [Preset("ziya-llama-13b", TensorParallel = [2, 4, 8])]
    public static LlamaConfig Ziya13B => Llama13B with { Vocab = 39424 };

    /// <summary>Linly Chinese-LLaMA-2 7B; Linly's first generation is llama-7b, llama-13b, llama-30b.</summary>
    [Preset("linly-chinese-llama-2-7b", TensorParallel = [2, 4])]
    public static LlamaConfig Linly7B => Llama7B with { Vocab = 40076 };

    /// <summary>Linly Chinese-LLaMA-2 13B.</summary>
    [Preset("linly-chinese-llama-2-13b", TensorParallel = [2, 4])]
    public static LlamaConfig Linly13B => Llama13B with { Vocab = 40076 };

    /// <summary>Llama2-Chinese 7B Chat (FlagAlpha).</summary>
    [Preset("llama2-chinese-7b", TensorParallel = [2, 4, 8])]
    public static LlamaConfig Llama2Chinese7B => Llama2With7B with { };

    /// <summary>Llama2-Chinese 13B Chat (FlagAlpha), whose file gives half of Llama 2's length.</summary>
    [Preset("llama2-chinese-13b", TensorParallel = [2, 4, 8])]
    public static LlamaConfig Llama2Chinese13B => Llama2With13B with { MaxPositions = 2048 };

    /// <summary>Atom 7B (FlagAlpha).</summary>
    [Preset("atom-7b", TensorParallel = [2, 4, 8])]
    public static LlamaConfig Atom7B => Llama2With7B with { Vocab = 65000 };

    /// <summary>Atom 7B Chat, 32K: a larger rotary base.</summary>
    [Preset("atom-7b-chat", TensorParallel = [2, 4, 8])]
    public static LlamaConfig Atom7BChat => Atom7B with { Theta = 500000 };

    partial void Check(ConfigReader reader)
    {
        _ = reader.SizeOr(1, "num_key_value_heads");
        _ = reader.SizeOr(1, "head_dim");
        reader.Require(reader.Has("head_dim") || Hidden % Heads == 0, "hidden_size", $"is not a multiple of the {Heads} attention heads");
        reader.Require(KvHeads > 0 && Heads % KvHeads == 0, "num_key_value_heads", $"does not divide the {Heads} attention heads");
        reader.Require(reader.StringOr("silu", "hidden_act") is "silu" or "swish", "hidden_act", "is not the silu that this architecture has");
        reader.Require(!reader.BoolOr(false, "alibi"), "alibi", "is not supported: positions are rotary here");
        reader.Require(!reader.Has("rope_scaling_type"), "rope_scaling_type", "is PaddleNLP's; state it as 'rope_scaling' with 'type' and 'factor'");
    }
}

/// <summary>One LLaMA block: pre-norm attention with rotary positions, then a gated MLP.</summary>
/// <param name="c">The model's config.</param>
[Block("model.layers.{i}", Paddle = "llama.layers.{i}"), Ignore("self_attn.rotary_emb.inv_freq")]
public sealed partial class LlamaBlock(LlamaConfig c)
{
    [RmsNorm(nameof(c.Hidden), "input_layernorm", Epsilon = nameof(c.Epsilon))]
    private partial Flow AttnNorm(Flow x);

    [Linear(nameof(c.Hidden), nameof(c.QWidth), "self_attn.q_proj", BiasWhen = nameof(c.AttentionBias))]
    private partial Flow Q(Flow x);

    [Linear(nameof(c.Hidden), nameof(c.KvWidth), "self_attn.k_proj", BiasWhen = nameof(c.AttentionBias))]
    private partial Flow K(Flow x);

    [Linear(nameof(c.Hidden), nameof(c.KvWidth), "self_attn.v_proj", BiasWhen = nameof(c.AttentionBias))]
    private partial Flow V(Flow x);

    [Rotary(nameof(c.HeadDim), Theta = nameof(c.Theta), Scaling = nameof(c.Scaling))]
    private partial Flow Rope(Flow x);

    [Attention(nameof(c.Heads), nameof(c.KvHeads), nameof(c.HeadDim))]
    private partial Flow Attend(Flow q, Flow k, Flow v);

    [Linear(nameof(c.QWidth), nameof(c.Hidden), "self_attn.o_proj", BiasWhen = nameof(c.AttentionBias))]
    private partial Flow O(Flow x);

    [RmsNorm(nameof(c.Hidden), "post_attention_layernorm", Epsilon = nameof(c.Epsilon))]
    private partial Flow MlpNorm(Flow x);

    [Use<GatedMlp>("mlp", nameof(c.Hidden), nameof(c.Ffn))]
    private partial Flow Mlp(Flow x);

    private Flow Attention(Flow x) => O(Attend(Rope(Q(x)), Rope(K(x)), V(x)));

    /// <summary>The block's wiring.</summary>
    /// <param name="x">[batch, time, <see cref="LlamaConfig.Hidden"/>].</param>
    public Flow Forward(Flow x)
    {
        var h = x + Attention(AttnNorm(x));
        return h + Mlp(MlpNorm(h));
    }
}

/// <summary>LLaMA: a decoder of <see cref="LlamaBlock"/>s.</summary>
/// <param name="c">The model's config.</param>
[Model("llama", Architectures = ["LlamaForCausalLM", "LLaMAForCausalLM"], PaddleArchitectures = ["LlamaForCausalLM"])]
public sealed partial class Llama(LlamaConfig c)
{
    [Embedding(nameof(c.Vocab), nameof(c.Hidden), "model.embed_tokens", Paddle = "llama.embed_tokens")]
    private partial Flow Embed(Tokens ids);

    [Repeat<LlamaBlock>(nameof(c.Layers))]
    private partial Flow Blocks(Flow x);

    [RmsNorm(nameof(c.Hidden), "model.norm", Epsilon = nameof(c.Epsilon), Paddle = "llama.norm")]
    private partial Flow FinalNorm(Flow x);

    [Linear(nameof(c.Hidden), nameof(c.Vocab), "lm_head", TiedTo = nameof(Embed), TiedWhen = nameof(c.Tied))]
    private partial Flow Head(Flow x);

    /// <summary>The model's wiring.</summary>
    /// <param name="ids">[batch, time].</param>
    public Flow Forward(Tokens ids) => Head(FinalNorm(Blocks(Embed(ids))));
}
