using Generated.Configuration;
using static Generated.Ops;

namespace Generated.Models;

/// <summary>Config of OPT (Zhang et al., 2022).</summary>
[Config]
public sealed partial record OptConfig
{
    /// <summary>Vocabulary size.</summary>
    [Key("vocab_size")] public required int Vocab { get; init; }

    /// <summary>Width of the residual stream.</summary>
    [Key("hidden_size")] public required int Hidden { get; init; }

    /// <summary>Number of blocks.</summary>
    [Key("num_hidden_layers")] public required int Layers { get; init; }

    /// <summary>Number of heads.</summary>
    [Key("num_attention_heads")] public required int Heads { get; init; }

    /// <summary>Width inside the MLP.</summary>
    [Key("ffn_dim", "intermediate_size", Paddle = "intermediate_size")] public required int Ffn { get; init; }

    /// <summary>Width of the embedding; narrower than <see cref="Hidden"/> in OPT-350m, which projects in and out.</summary>
    [Key("word_embed_proj_dim")] public int EmbedWidth { get => field > 0 ? field : Hidden; init; }

    /// <summary>Trained length, in tokens.</summary>
    [Key("max_position_embeddings")] public int MaxPositions { get; init; } = 2048;

    /// <summary>Whether norms stand before attention and MLP; behind the residual sum otherwise (OPT-350m).</summary>
    [Key("do_layer_norm_before", "normalize_before", Paddle = "normalize_before")] public bool NormBefore { get; init; } = true;

    /// <summary>Whether the final norm was removed in spite of norms before (early conversions).</summary>
    [Key("_remove_final_layer_norm")] public bool FinalNormRemoved { get; init; }

    /// <summary>Whether the linears have biases.</summary>
    [Key("enable_bias")] public bool HasBias { get; init; } = true;

    /// <summary>Whether the head is the embedding's matrix.</summary>
    [Key("tie_word_embeddings")] public bool Tied { get; init; } = true;

    /// <summary>Width of a head.</summary>
    public int HeadDim => Hidden / Heads;

    /// <summary>Rows of the position table: two more than positions.</summary>
    public int PositionRows => MaxPositions + 2;

    /// <summary>Whether norms stand behind the residual sum.</summary>
    public bool NormAfter => !NormBefore;

    /// <summary>Whether there is a norm before the head.</summary>
    public bool HasFinalNorm => NormBefore && !FinalNormRemoved;

    /// <summary>Whether the embedding is projected in and out.</summary>
    public bool IsProjected => EmbedWidth != Hidden;

    /// <summary>OPT 125M.</summary>
    [Preset("opt-125m", TensorParallel = [2, 4])]
    public static OptConfig Opt125M => new() { Vocab = 50272, Hidden = 768, Layers = 12, Heads = 12, Ffn = 3072 };

    /// <summary>OPT 350M: norms behind, embedding projected.</summary>
    [Preset("opt-350m", TensorParallel = [2, 4, 8])]
    public static OptConfig Opt350M => new() { Vocab = 50272, Hidden = 1024, Layers = 24, Heads = 16, Ffn = 4096, EmbedWidth = 512, NormBefore = false };

    /// <summary>OPT 1.3B.</summary>
    [Preset("opt-1.3b", TensorParallel = [2, 4, 8])]
    public static OptConfig Opt1B3 => new() { Vocab = 50272, Hidden = 2048, Layers = 24, Heads = 32, Ffn = 8192 };

    /// <summary>OPT 2.7B.</summary>
    [Preset("opt-2.7b", TensorParallel = [2, 4, 8])]
    public static OptConfig Opt2B7 => new() { Vocab = 50272, Hidden = 2560, Layers = 32, Heads = 32, Ffn = 10240 };

    /// <summary>OPT 6.7B.</summary>
    [Preset("opt-6.7b", TensorParallel = [2, 4, 8])]
    public static OptConfig Opt6B7 => new() { Vocab = 50272, Hidden = 4096, Layers = 32, Heads = 32, Ffn = 16384 };

    /// <summary>OPT 13B.</summary>
    [Preset("opt-13b", TensorParallel = [2, 4, 8])]
    public static OptConfig Opt13B => new() { Vocab = 50272, Hidden = 5120, Layers = 40, Heads = 40, Ffn = 20480 };

    /// <summary>OPT 30B.</summary>
    [Preset("opt-30b", TensorParallel = [2, 4, 8])]
    public static OptConfig Opt30B => new() { Vocab = 50272, Hidden = 7168, Layers = 48, Heads = 56, Ffn = 28672 };

    /// <summary>OPT 66B.</summary>
    [Preset("opt-66b", TensorParallel = [2, 4, 8])]
    public static OptConfig Opt66B => new() { Vocab = 50272, Hidden = 9216, Layers = 64, Heads = 72, Ffn = 36864 };

    partial void Check(ConfigReader reader)
    {
        reader.Require(reader.StringOr("relu", "activation_function") == "relu", "activation_function", "is not the relu that this architecture has");
        reader.Require(reader.BoolOr(true, "layer_norm_elementwise_affine"), "layer_norm_elementwise_affine", "is not supported: norms have a weight and a bias");
    }
}

/// <summary>One OPT block, with its norms before (most sizes) or behind (350M).</summary>
/// <param name="c">The model's config.</param>
[Block("model.decoder.layers.{i}", Paddle = "opt.decoder.layers.{i}")]
public sealed partial class OptBlock(OptConfig c)
{
    [LayerNorm(nameof(c.Hidden), "self_attn_layer_norm", Paddle = "norm1")]
    private partial Flow AttnNorm(Flow x);

    [Linear(nameof(c.Hidden), nameof(c.Hidden), "self_attn.q_proj", BiasWhen = nameof(c.HasBias))]
    private partial Flow Q(Flow x);

    [Linear(nameof(c.Hidden), nameof(c.Hidden), "self_attn.k_proj", BiasWhen = nameof(c.HasBias))]
    private partial Flow K(Flow x);

    [Linear(nameof(c.Hidden), nameof(c.Hidden), "self_attn.v_proj", BiasWhen = nameof(c.HasBias))]
    private partial Flow V(Flow x);

    [Attention(nameof(c.Heads), nameof(c.Heads), nameof(c.HeadDim))]
    private partial Flow Attend(Flow q, Flow k, Flow v);

    [Linear(nameof(c.Hidden), nameof(c.Hidden), "self_attn.out_proj", BiasWhen = nameof(c.HasBias))]
    private partial Flow O(Flow x);

    [LayerNorm(nameof(c.Hidden), "final_layer_norm", Paddle = "norm2")]
    private partial Flow MlpNorm(Flow x);

    [Linear(nameof(c.Hidden), nameof(c.Ffn), "fc1", BiasWhen = nameof(c.HasBias), Paddle = "linear1")]
    private partial Flow Up(Flow x);

    [Linear(nameof(c.Ffn), nameof(c.Hidden), "fc2", BiasWhen = nameof(c.HasBias), Paddle = "linear2")]
    private partial Flow Down(Flow x);

    private Flow Attention(Flow x) => O(Attend(Q(x), K(x), V(x)));

    private Flow Mlp(Flow x) => Down(Relu(Up(x)));

    /// <summary>The block's wiring: norms before.</summary>
    /// <param name="x">[batch, time, <see cref="OptConfig.Hidden"/>].</param>
    public Flow Forward(Flow x)
    {
        var h = x + Attention(AttnNorm(x));
        return h + Mlp(MlpNorm(h));
    }

    [ForwardWhen(nameof(c.NormAfter))]
    private Flow ForwardNormAfter(Flow x)
    {
        var h = AttnNorm(x + Attention(x));
        return MlpNorm(h + Mlp(h));
    }
}

/// <summary>OPT: a decoder with learned positions.</summary>
/// <param name="c">The model's config.</param>
[Model("opt", Architectures = ["OPTForCausalLM", "OPTModel"], PaddleArchitectures = ["OPTForCausalLM"], OptionalPrefix = "model.")]
public sealed partial class Opt(OptConfig c)
{
    [Embedding(nameof(c.Vocab), nameof(c.EmbedWidth), "model.decoder.embed_tokens", Paddle = "opt.embeddings.word_embeddings")]
    private partial Flow Embed(Tokens ids);

    [PositionEmbedding(nameof(c.PositionRows), nameof(c.Hidden), "model.decoder.embed_positions", Offset = 2, Paddle = "opt.embeddings.position_embeddings")]
    private partial Flow Positions(Tokens ids);

    [Linear(nameof(c.EmbedWidth), nameof(c.Hidden), "model.decoder.project_in", When = nameof(c.IsProjected), Paddle = "opt.embeddings.project_in", PaddleSplit = PaddleSplit.Column)]
    private partial Flow ProjectIn(Flow x);

    [Repeat<OptBlock>(nameof(c.Layers))]
    private partial Flow Blocks(Flow x);

    [LayerNorm(nameof(c.Hidden), "model.decoder.final_layer_norm", When = nameof(c.HasFinalNorm), Paddle = "opt.decoder.final_layer_norm")]
    private partial Flow FinalNorm(Flow x);

    [Linear(nameof(c.Hidden), nameof(c.EmbedWidth), "model.decoder.project_out", When = nameof(c.IsProjected), Paddle = "opt.decoder.project_out", PaddleSplit = PaddleSplit.Column)]
    private partial Flow ProjectOut(Flow x);

    [Linear(nameof(c.EmbedWidth), nameof(c.Vocab), "lm_head", TiedTo = nameof(Embed), TiedWhen = nameof(c.Tied), Paddle = "lm_head.decoder_weight", PaddleKeepsTied = true, PaddleSplit = PaddleSplit.Whole)]
    private partial Flow Head(Flow x);

    /// <summary>The model's wiring.</summary>
    /// <param name="ids">[batch, time].</param>
    public Flow Forward(Tokens ids) => Head(ProjectOut(FinalNorm(Blocks(ProjectIn(Embed(ids)) + Positions(ids)))));
}
