using Generated.Generators.Graph;

namespace Generators.Tests.Analysis.Declarations;

/// <summary>OPT: pre-LN, or post-LN with projections around it and no final norm.</summary>
internal static class Opt
{
    public static ConfigSpec Config(params int[] degrees) => new ConfigBuilder("OptConfig")
        .Int("Vocab", "vocab_size").Int("Hidden", "hidden_size").Int("Layers", "num_hidden_layers").Int("Heads", "num_attention_heads").Int("Ffn", "ffn_dim")
        .Int("EmbedWidth", "word_embed_proj_dim").Int("PositionRows", "max_position_embeddings").Bool("Tied", "tie_word_embeddings")
        .Flag("NormAfter").Flag("HasFinalNorm").Flag("IsProjected").Double("Epsilon", "eps")
        .Quotient("HeadDim", "Hidden", "Heads")
        .Preset("opt-125m", degrees, ("Vocab", 50272), ("Hidden", 768), ("Layers", 12), ("Heads", 12), ("Ffn", 3072), ("EmbedWidth", 768), ("IsProjected", 0), ("Tied", 1))
        .Preset("opt-350m", degrees, ("Vocab", 50272), ("Hidden", 1024), ("Layers", 24), ("Heads", 16), ("Ffn", 4096), ("EmbedWidth", 512), ("IsProjected", 1), ("Tied", 1))
        .Build();

    public static ClassSpec Block(ConfigSpec? config = null) => ClassBuilder.Block("OptBlock", config ?? Config(), "model.decoder.layers.{i}", "opt.decoder.layers.{i}")
        .LayerNorm("AttnNorm", "Hidden", "self_attn_layer_norm", paddle: "norm1")
        .Linear("Q", "Hidden", "Hidden", "self_attn.q_proj", bias: true)
        .Linear("K", "Hidden", "Hidden", "self_attn.k_proj", bias: true)
        .Linear("V", "Hidden", "Hidden", "self_attn.v_proj", bias: true)
        .Attention("Attend", "Heads", "Heads", "HeadDim")
        .Linear("O", "Hidden", "Hidden", "self_attn.out_proj", bias: true)
        .LayerNorm("MlpNorm", "Hidden", "final_layer_norm", paddle: "norm2")
        .Linear("Up", "Hidden", "Ffn", "fc1", bias: true, paddle: "linear1")
        .Linear("Down", "Ffn", "Hidden", "fc2", bias: true, paddle: "linear2")
        .Forward(g =>
        {
            var h = (g.Input + Attention(g, g.Call("AttnNorm", g.Input))).Named("h");
            return h + Mlp(g, g.Call("MlpNorm", h));
        })
        .ForwardWhen("NormAfter", "ForwardNormAfter", g =>
        {
            var h = g.Call("AttnNorm", g.Input + Attention(g, g.Input)).Named("h");
            return g.Call("MlpNorm", h + Mlp(g, h));
        })
        .Build();

    public static ClassSpec Model(ConfigSpec? config = null) => ClassBuilder.Model("Opt", config ?? Config(), "opt")
        .Embedding("Embed", "Vocab", "EmbedWidth", "model.decoder.embed_tokens")
        .Positions("Positions", "PositionRows", "Hidden", "model.decoder.embed_positions")
        .Linear("ProjectIn", "EmbedWidth", "Hidden", "model.decoder.project_in", when: "IsProjected")
        .Repeat("Blocks", Block(config), "Layers")
        .LayerNorm("FinalNorm", "Hidden", "model.decoder.final_layer_norm", when: "HasFinalNorm")
        .Linear("ProjectOut", "Hidden", "EmbedWidth", "model.decoder.project_out", when: "IsProjected")
        .Linear("Head", "EmbedWidth", "Vocab", "lm_head", tiedTo: "Embed", tiedWhen: "Tied")
        .Forward(g => g.Call("Head", g.Call("ProjectOut", g.Call("FinalNorm", g.Call("Blocks",
            g.Call("ProjectIn", g.Call("Embed", g.Input)) + g.Call("Positions", g.Input))))))
        .Build();

    private static Wiring.Wire Attention(Wiring g, Wiring.Wire x) => g.Call("O", g.Call("Attend", g.Call("Q", x), g.Call("K", x), g.Call("V", x)));

    private static Wiring.Wire Mlp(Wiring g, Wiring.Wire x) => g.Call("Down", g.Apply(NodeOp.Relu, g.Call("Up", x)));
}
