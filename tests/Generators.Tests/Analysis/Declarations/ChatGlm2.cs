using Generated.Generators.Graph;

namespace Generators.Tests.Analysis.Declarations;

/// <summary>ChatGLM2: q/k/v one after the other with few key/value heads, fused gate and up, a switched residual.</summary>
internal static class ChatGlm2
{
    public static ConfigSpec Config(params int[] degrees) => new ConfigBuilder("ChatGlm2Config")
        .Int("Vocab", "padded_vocab_size").Int("Hidden", "hidden_size").Int("Layers", "num_layers").Int("Heads", "num_attention_heads")
        .Int("KvHeads", "multi_query_group_num").Int("HeadDim", "kv_channels").Int("Ffn", "ffn_hidden_size").Int("RotaryDim", "rotary_dim")
        .Double("Epsilon", "layernorm_epsilon").Bool("QkvBias", "add_qkv_bias").Bool("ResidualAfterNorm", "apply_residual_connection_post_layernorm")
        .Width("QWidth", Dim.Atom("Heads") * Dim.Atom("HeadDim")).Width("KvWidth", Dim.Atom("KvHeads") * Dim.Atom("HeadDim"))
        .Width("QkvWidth", Dim.Atom("Heads") * Dim.Atom("HeadDim") + Dim.Constant(2) * Dim.Atom("KvHeads") * Dim.Atom("HeadDim"))
        .Width("GateUpWidth", Dim.Constant(2) * Dim.Atom("Ffn"))
        .Preset("chatglm2-6b", degrees, ("Vocab", 65024), ("Hidden", 4096), ("Layers", 28), ("Heads", 32), ("KvHeads", 2), ("HeadDim", 128), ("Ffn", 13696), ("RotaryDim", 64))
        .Build();

    public static ClassSpec Block(ConfigSpec? config = null) => ClassBuilder.Block("ChatGlm2Block", config ?? Config(), "transformer.encoder.layers.{i}", "chatglm_v2.encoder.layers.{i}")
        .RmsNorm("AttnNorm", "Hidden", "input_layernorm")
        .Linear("Qkv", "Hidden", "QkvWidth", "self_attention.query_key_value", biasWhen: "QkvBias")
        .Sections("CutQkv", ["QWidth", "KvWidth", "KvWidth"])
        .Rotary("Rope", "HeadDim", dim: "RotaryDim")
        .Attention("Attend", "Heads", "KvHeads", "HeadDim")
        .Linear("Dense", "QWidth", "Hidden", "self_attention.dense")
        .RmsNorm("MlpNorm", "Hidden", "post_attention_layernorm")
        .Linear("GateUp", "Hidden", "GateUpWidth", "mlp.dense_h_to_4h")
        .Sections("CutGateUp", ["Ffn", "Ffn"])
        .Linear("Down", "Ffn", "Hidden", "mlp.dense_4h_to_h")
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

    private static Wiring.Wire Attention(Wiring g, Wiring.Wire x)
    {
        var cut = g.Cut("CutQkv", g.Call("Qkv", x), "q", "k", "v");
        return g.Call("Dense", g.Call("Attend", g.Call("Rope", cut[0]), g.Call("Rope", cut[1]), cut[2]));
    }

    private static Wiring.Wire Mlp(Wiring g, Wiring.Wire x)
    {
        var cut = g.Cut("CutGateUp", g.Call("GateUp", x), "gate", "up");
        return g.Call("Down", g.Apply(NodeOp.Silu, cut[0]) * cut[1]);
    }
}
