using Generated.Generators.Graph;

namespace Generators.Tests.Analysis.Declarations;

/// <summary>Bloom: a norm behind the embedding, ALiBi, per-head fused q/k/v, tied head, a second wiring that a config switches on.</summary>
internal static class Bloom
{
    public static ConfigSpec Config(params int[] degrees) => new ConfigBuilder("BloomConfig")
        .Int("Vocab", "vocab_size").Int("Hidden", "hidden_size").Int("Layers", "n_layer").Int("Heads", "n_head")
        .Double("Epsilon", "layer_norm_epsilon").Bool("ResidualAfterNorm", "apply_residual_connection_post_layernorm")
        .Quotient("HeadDim", "Hidden", "Heads")
        .Width("Ffn", Dim.Constant(4) * Dim.Atom("Hidden"))
        .Width("QkvWidth", Dim.Constant(3) * Dim.Atom("Hidden"))
        .Preset("bloom-176b", degrees, ("Vocab", 250880), ("Hidden", 14336), ("Layers", 70), ("Heads", 112))
        .Build();

    public static ClassSpec Block(ConfigSpec? config = null) => ClassBuilder.Block("BloomBlock", config ?? Config(), "transformer.h.{i}", "bloom.h.{i}")
        .LayerNorm("AttnNorm", "Hidden", "input_layernorm")
        .Linear("Qkv", "Hidden", "QkvWidth", "self_attention.query_key_value", bias: true)
        .Sections("Cut", ["HeadDim", "HeadDim", "HeadDim"], groups: "Heads")
        .Attention("Attend", "Heads", "Heads", "HeadDim", alibi: true)
        .Linear("Dense", "Hidden", "Hidden", "self_attention.dense", bias: true)
        .LayerNorm("MlpNorm", "Hidden", "post_attention_layernorm")
        .Linear("Up", "Hidden", "Ffn", "mlp.dense_h_to_4h", bias: true)
        .Linear("Down", "Ffn", "Hidden", "mlp.dense_4h_to_h", bias: true)
        .Forward(g =>
        {
            var h = (g.Input + Attention(g, g.Call("AttnNorm", g.Input))).Named("h");
            return h + Mlp(g, g.Call("MlpNorm", h));
        })
        .ForwardWhen("ResidualAfterNorm", "ForwardResidualAfterNorm", g =>
        {
            var a = g.Call("AttnNorm", g.Input).Named("a");
            var m = g.Call("MlpNorm", a + Attention(g, a)).Named("m");
            return m + Mlp(g, m);
        })
        .Build();

    public static ClassSpec Model(ConfigSpec? config = null) => ClassBuilder.Model("Bloom", config ?? Config(), "bloom")
        .Embedding("Embed", "Vocab", "Hidden", "transformer.word_embeddings", paddle: "bloom.word_embeddings")
        .LayerNorm("EmbedNorm", "Hidden", "transformer.word_embeddings_layernorm", paddle: "bloom.word_embeddings_layernorm")
        .Repeat("Blocks", Block(config), "Layers")
        .LayerNorm("FinalNorm", "Hidden", "transformer.ln_f", paddle: "bloom.ln_f")
        .Linear("Head", "Hidden", "Vocab", "lm_head", tiedTo: "Embed")
        .Forward(g => g.Call("Head", g.Call("FinalNorm", g.Call("Blocks", g.Call("EmbedNorm", g.Call("Embed", g.Input))))))
        .Build();

    private static Wiring.Wire Attention(Wiring g, Wiring.Wire x)
    {
        var cut = g.Cut("Cut", g.Call("Qkv", x), "q", "k", "v");
        return g.Call("Dense", g.Call("Attend", cut[0], cut[1], cut[2]));
    }

    private static Wiring.Wire Mlp(Wiring g, Wiring.Wire x) => g.Call("Down", g.Apply(NodeOp.GeluTanh, g.Call("Up", x)));
}
