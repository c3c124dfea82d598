using Generated.Configuration;
using static Generated.Ops;

namespace Generated.Models;

/// <summary>Config of Baichuan and Baichuan2 (Yang et al., 2023).</summary>
[Config]
public sealed partial record BaichuanConfig
{
    /// <summary>Vocabulary size.</summary>
    [Key("vocab_size")] public required int Vocab { get; init; }

    /// <summary>Width of the residual stream.</summary>
    [Key("hidden_size")] public required int Hidden { get; init; }

    /// <summary>Number of blocks.</summary>
    [Key("num_hidden_layers")] public required int Layers { get; init; }

    /// <summary>Number of heads.</summary>
    [Key("num_attention_heads")] public required int Heads { get; init; }

    /// <summary>Width inside the gated MLP.</summary>
    [Key("intermediate_size")] public required int Ffn { get; init; }

    /// <summary>ε of RMSNorm.</summary>
    [Key("rms_norm_eps")] public double Epsilon { get; init; } = 1e-6;

    /// <summary>Trained length of the 7B models; the 13B models, which use ALiBi, do not give it.</summary>
    [Key("max_position_embeddings")] public int MaxPositions { get; init; }

    /// <summary>An explicit word on <see cref="NormHead"/>, for which published files have no key.</summary>
    [Key("norm_head")] public bool? NormHeadGiven { get; init; }

    /// <summary>Class of the tokenizer; the Baichuan2 files name it, those of the first generation do not.</summary>
    [Key("tokenizer_class")] public string? TokenizerClass { get; init; }

    /// <summary>Whether the head's rows are divided by their L2 norm (Baichuan2): as given, or by the signs of a Baichuan2 file.</summary>
    public bool NormHead => NormHeadGiven ?? (Vocab == 125696 || TokenizerClass == "BaichuanTokenizer");

    /// <summary>Whether positions enter by rotary embedding.</summary>
    public bool IsRotary => MaxPositions > 0;

    /// <summary>Whether positions enter by ALiBi.</summary>
    public bool IsAlibi => MaxPositions == 0;

    /// <summary>Width of a head.</summary>
    public int HeadDim => Hidden / Heads;

    /// <summary>Width of the fused query/key/value projection.</summary>
    public int QkvWidth => 3 * Hidden;

    /// <summary>Baichuan 7B.</summary>
    [Preset("baichuan-7b", TensorParallel = [2, 4, 8])]
    public static BaichuanConfig Baichuan7B => new() { Vocab = 64000, Hidden = 4096, Layers = 32, Heads = 32, Ffn = 11008, MaxPositions = 4096 };

    /// <summary>Baichuan 13B: ALiBi.</summary>
    [Preset("baichuan-13b", TensorParallel = [2, 4, 8])]
    public static BaichuanConfig Baichuan13B => new() { Vocab = 64000, Hidden = 5120, Layers = 40, Heads = 40, Ffn = 13696 };

    /// <summary>Baichuan2 7B: normalised head.</summary>
    [Preset("baichuan2-7b", TensorParallel = [2, 4, 8])]
    public static BaichuanConfig Baichuan2With7B => new() { Vocab = 125696, Hidden = 4096, Layers = 32, Heads = 32, Ffn = 11008, MaxPositions = 4096 };

    /// <summary>Baichuan2 13B: ALiBi, normalised head.</summary>
    [Preset("baichuan2-13b", TensorParallel = [2, 4, 8])]
    public static BaichuanConfig Baichuan2With13B => new() { Vocab = 125696, Hidden = 5120, Layers = 40, Heads = 40, Ffn = 13696 };

    partial void Check(ConfigReader reader) =>
        reader.Require(reader.StringOr("silu", "hidden_act") is "silu" or "swish", "hidden_act", "is not the silu that this architecture has");
}

/// <summary>One Baichuan block: fused projection, rotary positions or ALiBi, gated MLP.</summary>
/// <param name="c">The model's config.</param>
[Block("model.layers.{i}", Paddle = "baichuan.layers.{i}"), Ignore("self_attn.rotary_emb.inv_freq")]
public sealed partial class BaichuanBlock(BaichuanConfig c)
{
    [RmsNorm(nameof(c.Hidden), "input_layernorm", Epsilon = nameof(c.Epsilon))]
    private partial Flow AttnNorm(Flow x);

    [Linear(nameof(c.Hidden), nameof(c.QkvWidth), "self_attn.W_pack")]
    private partial Flow Qkv(Flow x);

    [Sections(nameof(c.Hidden), nameof(c.Hidden), nameof(c.Hidden))]
    private partial Flow3 Cut(Flow x);

    [Rotary(nameof(c.HeadDim), When = nameof(c.IsRotary))]
    private partial Flow Rope(Flow x);

    [Attention(nameof(c.Heads), nameof(c.Heads), nameof(c.HeadDim), AlibiWhen = nameof(c.IsAlibi))]
    private partial Flow Attend(Flow q, Flow k, Flow v);

    [Linear(nameof(c.Hidden), nameof(c.Hidden), "self_attn.o_proj")]
    private partial Flow O(Flow x);

    [RmsNorm(nameof(c.Hidden), "post_attention_layernorm", Epsilon = nameof(c.Epsilon))]
    private partial Flow MlpNorm(Flow x);

    [Use<GatedMlp>("mlp", nameof(c.Hidden), nameof(c.Ffn))]
    private partial Flow Mlp(Flow x);

    private Flow Attention(Flow x)
    {
        var (q, k, v) = Cut(Qkv(x));
        return O(Attend(Rope(q), Rope(k), v));
    }

    /// <summary>The block's wiring.</summary>
    /// <param name="x">[batch, time, <see cref="BaichuanConfig.Hidden"/>].</param>
    public Flow Forward(Flow x)
    {
        var h = x + Attention(AttnNorm(x));
        return h + Mlp(MlpNorm(h));
    }
}

/// <summary>Baichuan and Baichuan2.</summary>
/// <param name="c">The model's config.</param>
[Model("baichuan", Architectures = ["BaiChuanForCausalLM", "BaichuanForCausalLM"], PaddleArchitectures = ["BaichuanForCausalLM"])]
public sealed partial class Baichuan(BaichuanConfig c)
{
    [Embedding(nameof(c.Vocab), nameof(c.Hidden), "model.embed_tokens", Paddle = "baichuan.embed_tokens")]
    private partial Flow Embed(Tokens ids);

    [Repeat<BaichuanBlock>(nameof(c.Layers))]
    private partial Flow Blocks(Flow x);

    [RmsNorm(nameof(c.Hidden), "model.norm", Epsilon = nameof(c.Epsilon), Paddle = "baichuan.norm")]
    private partial Flow FinalNorm(Flow x);

    [Linear(nameof(c.Hidden), nameof(c.Vocab), "lm_head", UnitRowsWhen = nameof(c.NormHead))]
    private partial Flow Head(Flow x);

    /// <summary>The model's wiring.</summary>
    /// <param name="ids">[batch, time].</param>
    public Flow Forward(Tokens ids) => Head(FinalNorm(Blocks(Embed(ids))));
}
