using Generated.Generators.Graph;

namespace Generators.Tests.Analysis.Declarations;

/// <summary>ChatGLM-6B: the norm's output is the residual, scaled; per-head fused q/k/v; two-dimensional rotary; a prefix.</summary>
internal static class ChatGlm
{
    public static ConfigSpec Config(params int[] degrees) => new ConfigBuilder("ChatGlmConfig")
        .Int("Vocab", "vocab_size").Int("Hidden", "hidden_size").Int("Layers", "num_layers").Int("Heads", "num_attention_heads").Int("Ffn", "inner_hidden_size")
        .Double("Epsilon", "layernorm_epsilon")
        .Quotient("HeadDim", "Hidden", "Heads")
        .Width("QkvWidth", Dim.Constant(3) * Dim.Atom("Heads") * Dim.Atom("HeadDim"))
        .Preset("chatglm-6b", degrees, ("Vocab", 130528), ("Hidden", 4096), ("Layers", 28), ("Heads", 32), ("Ffn", 16384))
        .Build();

    public static ClassSpec Block(ConfigSpec? config = null) => ClassBuilder
        .Block("ChatGlmBlock", config ?? Config(), "transformer.layers.{i}", "chatglm.transformer.layers.{i}", "attention.rotary_emb.inv_freq")
        .LayerNorm("AttnNorm", "Hidden", "input_layernorm")
        .Linear("Qkv", "Hidden", "QkvWidth", "attention.query_key_value", bias: true)
        .Sections("Cut", ["HeadDim", "HeadDim", "HeadDim"], groups: "Heads")
        .Rotary("Rope", "HeadDim", PositionChoice.SequenceAndBlock)
        .Attention("Attend", "Heads", "Heads", "HeadDim", prefix: true)
        .Linear("Dense", "Hidden", "Hidden", "attention.dense", bias: true)
        .LayerNorm("MlpNorm", "Hidden", "post_attention_layernorm")
        .Linear("Up", "Hidden", "Ffn", "mlp.dense_h_to_4h", bias: true)
        .Linear("Down", "Ffn", "Hidden", "mlp.dense_4h_to_h", bias: true)
        .Forward(g =>
        {
            var a = g.Call("AttnNorm", g.Input).Named("a");
            var cut = g.Cut("Cut", g.Call("Qkv", a), "q", "k", "v");
            var attention = g.Call("Dense", g.Call("Attend", g.Call("Rope", cut[0]), g.Call("Rope", cut[1]), cut[2]));
            var m = g.Call("MlpNorm", (g.Scale("Alpha", a) + attention).Named("h")).Named("m");
            return g.Scale("Alpha", m) + g.Call("Down", g.Apply(NodeOp.GeluTanh, g.Call("Up", m)));
        })
        .Build();

    public static ClassSpec Model(ConfigSpec? config = null) => ClassBuilder.Model("ChatGlm", config ?? Config(), "chatglm")
        .Embedding("Embed", "Vocab", "Hidden", "transformer.word_embeddings")
        .Repeat("Blocks", Block(config), "Layers")
        .LayerNorm("FinalNorm", "Hidden", "transformer.final_layernorm")
        .Linear("Head", "Hidden", "Vocab", "lm_head")
        .Forward(g => g.Call("Head", g.Call("FinalNorm", g.Call("Blocks", g.Call("Embed", g.Input)))))
        .Build();
}
