using Generated.Configuration;
using Generated.Layers;
using static Generated.Ops;

namespace Generated.Models;

/// <summary>Config of Qwen, the first generation (Bai et al., 2023).</summary>
[Config]
public sealed partial record QwenConfig
{
    /// <summary>Vocabulary size.</summary>
    [Key("vocab_size")] public required int Vocab { get; init; }

    /// <summary>Width of the residual stream.</summary>
    [Key("hidden_size", "n_embd")] public required int Hidden { get; init; }

    /// <summary>Number of blocks.</summary>
    [Key("num_hidden_layers", "n_layer")] public required int Layers { get; init; }

    /// <summary>Number of heads.</summary>
    [Key("num_attention_heads", "n_head")] public required int Heads { get; init; }

    /// <summary>Width of a head.</summary>
    [Key("kv_channels")] public int HeadDim { get => field > 0 ? field : Hidden / Heads; init; }

    /// <summary>Width of both branches of the gated MLP together, as the file gives it.</summary>
    [Key("intermediate_size", "ffn_hidden_size")] public required int FfnBoth { get; init; }

    /// <summary>ε of RMSNorm.</summary>
    [Key("layer_norm_epsilon")] public double Epsilon { get; init; } = 1e-6;

    /// <summary>Base of the rotary frequencies.</summary>
    [Key("rotary_emb_base")] public double Theta { get; init; } = 10000;

    /// <summary>Trained length, in tokens.</summary>
    [Key("seq_length")] public required int TrainedLength { get; init; }

    /// <summary>Whether the rotary base grows past the trained length.</summary>
    [Key("use_dynamic_ntk")] public bool DynamicNtk { get; init; } = true;

    /// <summary>Whether queries are scaled by the logarithm of their position past the trained length.</summary>
    [Key("use_logn_attn")] public bool LogNAttention { get; init; } = true;

    /// <summary>Whether all linears but the fused projection lack biases (always so in published models).</summary>
    [Key("no_bias")] public bool NoBias { get; init; } = true;

    /// <summary>Whether the other linears have biases.</summary>
    public bool HasBias => !NoBias;

    /// <summary>Width inside the gated MLP.</summary>
    public int Ffn => FfnBoth / 2;

    /// <summary>Width of all heads.</summary>
    public int QWidth => Heads * HeadDim;

    /// <summary>Width of the fused query/key/value projection.</summary>
    public int QkvWidth => 3 * QWidth;

    /// <summary>How the rotary frequencies are stretched past the trained length.</summary>
    public RopeScaling? Scaling => DynamicNtk ? RopeScaling.QwenNtk(TrainedLength) : null;

    /// <summary>Qwen 1.8B.</summary>
    [Preset("qwen-1.8b", TensorParallel = [2, 4, 8])]
    public static QwenConfig Qwen1B8 => new() { Vocab = 151936, Hidden = 2048, Layers = 24, Heads = 16, HeadDim = 128, FfnBoth = 11008, TrainedLength = 8192 };

    /// <summary>Qwen 7B.</summary>
    [Preset("qwen-7b", TensorParallel = [2, 4, 8])]
    public static QwenConfig Qwen7B => new() { Vocab = 151936, Hidden = 4096, Layers = 32, Heads = 32, HeadDim = 128, FfnBoth = 22016, TrainedLength = 8192 };

    /// <summary>Qwen 14B.</summary>
    [Preset("qwen-14b", TensorParallel = [2, 4, 8])]
    public static QwenConfig Qwen14B => new() { Vocab = 152064, Hidden = 5120, Layers = 40, Heads = 40, HeadDim = 128, FfnBoth = 27392, TrainedLength = 2048 };

    /// <summary>Qwen 72B.</summary>
    [Preset("qwen-72b", TensorParallel = [2, 4, 8])]
    public static QwenConfig Qwen72B => new() { Vocab = 152064, Hidden = 8192, Layers = 80, Heads = 64, HeadDim = 128, FfnBoth = 49152, Theta = 1000000, TrainedLength = 32768, DynamicNtk = false, LogNAttention = false };

    partial void Check(ConfigReader reader)
    {
        _ = reader.SizeOr(1, "kv_channels");
        reader.Require(reader.DoubleOr(1, "rotary_pct") == 1, "rotary_pct", "is not the 1 that this architecture has: whole heads rotate");
        reader.Require(reader.BoolOr(true, "scale_attn_weights"), "scale_attn_weights", "is not supported: scores are divided by the root of the head width");
    }
}

/// <summary>One Qwen block: fused projection with bias, then a gated MLP whose second matrix is the gate.</summary>
/// <param name="c">The model's config.</param>
[Block("transformer.h.{i}", Paddle = "qwen.h.{i}"), Ignore("attn.rotary_emb.inv_freq")]
public sealed partial class QwenBlock(QwenConfig c)
{
    [RmsNorm(nameof(c.Hidden), "ln_1", Epsilon = nameof(c.Epsilon))]
    private partial Flow AttnNorm(Flow x);

    [Linear(nameof(c.Hidden), nameof(c.QkvWidth), "attn.c_attn", Bias = true)]
    private partial Flow Qkv(Flow x);

    [Sections(nameof(c.QWidth), nameof(c.QWidth), nameof(c.QWidth))]
    private partial Flow3 Cut(Flow x);

    [Rotary(nameof(c.HeadDim), Theta = nameof(c.Theta), Scaling = nameof(c.Scaling))]
    private partial Flow Rope(Flow x);

    [LogN(nameof(c.TrainedLength), When = nameof(c.LogNAttention))]
    private partial Flow LogN(Flow x);

    [Attention(nameof(c.Heads), nameof(c.Heads), nameof(c.HeadDim))]
    private partial Flow Attend(Flow q, Flow k, Flow v);

    [Linear(nameof(c.QWidth), nameof(c.Hidden), "attn.c_proj", BiasWhen = nameof(c.HasBias))]
    private partial Flow O(Flow x);

    [RmsNorm(nameof(c.Hidden), "ln_2", Epsilon = nameof(c.Epsilon))]
    private partial Flow MlpNorm(Flow x);

    [Linear(nameof(c.Hidden), nameof(c.Ffn), "mlp.w1", BiasWhen = nameof(c.HasBias))]
    private partial Flow Up(Flow x);

    [Linear(nameof(c.Hidden), nameof(c.Ffn), "mlp.w2", BiasWhen = nameof(c.HasBias))]
    private partial Flow Gate(Flow x);

    [Linear(nameof(c.Ffn), nameof(c.Hidden), "mlp.c_proj", BiasWhen = nameof(c.HasBias))]
    private partial Flow Down(Flow x);

    private Flow Attention(Flow x)
    {
        var (q, k, v) = Cut(Qkv(x));
        return O(Attend(LogN(Rope(q)), Rope(k), v));
    }

    /// <summary>The block's wiring.</summary>
    /// <param name="x">[batch, time, <see cref="QwenConfig.Hidden"/>].</param>
    public Flow Forward(Flow x)
    {
        var h = x + Attention(AttnNorm(x));
        var m = MlpNorm(h);
        return h + Down(Up(m) * Silu(Gate(m)));
    }
}

/// <summary>Qwen, first generation.</summary>
/// <param name="c">The model's config.</param>
[Model("qwen", Architectures = ["QWenLMHeadModel"], PaddleArchitectures = ["QWenForCausalLM"])]
public sealed partial class Qwen(QwenConfig c)
{
    [Embedding(nameof(c.Vocab), nameof(c.Hidden), "transformer.wte", Paddle = "qwen.wte")]
    private partial Flow Embed(Tokens ids);

    [Repeat<QwenBlock>(nameof(c.Layers))]
    private partial Flow Blocks(Flow x);

    [RmsNorm(nameof(c.Hidden), "transformer.ln_f", Epsilon = nameof(c.Epsilon), Paddle = "qwen.ln_f")]
    private partial Flow FinalNorm(Flow x);

    [Linear(nameof(c.Hidden), nameof(c.Vocab), "lm_head")]
    private partial Flow Head(Flow x);

    /// <summary>The model's wiring.</summary>
    /// <param name="ids">[batch, time].</param>
    public Flow Forward(Tokens ids) => Head(FinalNorm(Blocks(Embed(ids))));
}
