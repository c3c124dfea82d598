using Generated.Generators.Graph;

namespace Generators.Tests.Analysis.Declarations;

/// <summary>LLaMA: RMSNorm, separate q/k/v with fewer key/value heads, a gated MLP as a part.</summary>
internal static class Llama
{
    public static ConfigSpec Config(params int[] degrees) => new ConfigBuilder("LlamaConfig")
        .Int("Vocab", "vocab_size").Int("Hidden", "hidden_size").Int("Layers", "num_hidden_layers").Int("Heads", "num_attention_heads")
        .Int("KvHeads", "num_key_value_heads", required: false).Int("HeadDim", "head_dim", required: false).Int("Ffn", "intermediate_size")
        .Double("Epsilon", "rms_norm_eps").Double("Theta", "rope_theta").Scaling("Scaling", "rope_scaling")
        .Bool("Tied", "tie_word_embeddings").Bool("AttentionBias", "attention_bias")
        .Width("QWidth", Dim.Atom("Heads") * Dim.Atom("HeadDim")).Width("KvWidth", Dim.Atom("KvHeads") * Dim.Atom("HeadDim"))
        .Preset("llama-7b", degrees, ("Vocab", 32000), ("Hidden", 4096), ("Layers", 32), ("Heads", 32), ("KvHeads", 32), ("HeadDim", 128), ("Ffn", 11008), ("Tied", 0), ("AttentionBias", 0))
        .Build();

    public static readonly ClassSpec GatedMlp = ClassBuilder.Part("GatedMlp", "hidden", "ffn")
        .Linear("Gate", "hidden", "ffn", "gate_proj")
        .Linear("Up", "hidden", "ffn", "up_proj")
        .Linear("Down", "ffn", "hidden", "down_proj")
        .Forward(g => g.Call("Down", g.Apply(NodeOp.Silu, g.Call("Gate", g.Input)) * g.Call("Up", g.Input)))
        .Build();

    /// <summary>The block's layers, without a wiring.</summary>
    public static ClassBuilder BlockLayers(ConfigSpec config) => ClassBuilder.Block("LlamaBlock", config, "model.layers.{i}", "llama.layers.{i}", "self_attn.rotary_emb.inv_freq")
        .RmsNorm("AttnNorm", "Hidden", "input_layernorm")
        .Linear("Q", "Hidden", "QWidth", "self_attn.q_proj", biasWhen: "AttentionBias")
        .Linear("K", "Hidden", "KvWidth", "self_attn.k_proj", biasWhen: "AttentionBias")
        .Linear("V", "Hidden", "KvWidth", "self_attn.v_proj", biasWhen: "AttentionBias")
        .Rotary("Rope", "HeadDim")
        .Attention("Attend", "Heads", "KvHeads", "HeadDim")
        .Linear("O", "QWidth", "Hidden", "self_attn.o_proj", biasWhen: "AttentionBias")
        .RmsNorm("MlpNorm", "Hidden", "post_attention_layernorm")
        .Use("Mlp", GatedMlp, "mlp", ["Hidden", "Ffn"]);

    public static Wiring.Wire Attention(Wiring g, Wiring.Wire x) => g.Call("O", g.Call("Attend",
        g.Call("Rope", g.Call("Q", x)), g.Call("Rope", g.Call("K", x)), g.Call("V", x)));

    public static ClassSpec Block(ConfigSpec? config = null) => BlockLayers(config ?? Config())
        .Forward(g =>
        {
            var h = (g.Input + Attention(g, g.Call("AttnNorm", g.Input))).Named("h");
            return h + g.Call("Mlp", g.Call("MlpNorm", h));
        })
        .Build();

    public static ClassSpec Model(ConfigSpec? config = null)
    {
        config ??= Config();
        return ClassBuilder.Model("Llama", config, "llama")
            .Embedding("Embed", "Vocab", "Hidden", "model.embed_tokens", paddle: "llama.embed_tokens")
            .Repeat("Blocks", Block(config), "Layers")
            .RmsNorm("FinalNorm", "Hidden", "model.norm", paddle: "llama.norm")
            .Linear("Head", "Hidden", "Vocab", "lm_head", tiedTo: "Embed", tiedWhen: "Tied")
            .Forward(g => g.Call("Head", g.Call("FinalNorm", g.Call("Blocks", g.Call("Embed", g.Input)))))
            .Build();
    }
}
