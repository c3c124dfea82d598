using Generated.Generators.Graph;

namespace Generators.Tests.Analysis.Declarations;

/// <summary>GPT-J: attention and MLP read one norm and are added side by side.</summary>
internal static class GptJ
{
    public static ConfigSpec Config(params int[] degrees) => new ConfigBuilder("GptJConfig")
        .Int("Vocab", "vocab_size").Int("Hidden", "n_embd").Int("Layers", "n_layer").Int("Heads", "n_head").Int("RotaryDim", "rotary_dim").Int("Ffn", "n_inner")
        .Double("Epsilon", "layer_norm_epsilon")
        .Quotient("HeadDim", "Hidden", "Heads")
        .Preset("gpt-j-6b", degrees, ("Vocab", 50400), ("Hidden", 4096), ("Layers", 28), ("Heads", 16), ("RotaryDim", 64), ("Ffn", 16384))
        .Build();

    public static ClassSpec Block(ConfigSpec? config = null) => ClassBuilder.Block("GptJBlock", config ?? Config(), "transformer.h.{i}")
        .LayerNorm("Norm", "Hidden", "ln_1")
        .Linear("Q", "Hidden", "Hidden", "attn.q_proj")
        .Linear("K", "Hidden", "Hidden", "attn.k_proj")
        .Linear("V", "Hidden", "Hidden", "attn.v_proj")
        .Rotary("Rope", "HeadDim", dim: "RotaryDim")
        .Attention("Attend", "Heads", "Heads", "HeadDim")
        .Linear("O", "Hidden", "Hidden", "attn.out_proj")
        .Linear("Up", "Hidden", "Ffn", "mlp.fc_in", bias: true)
        .Linear("Down", "Ffn", "Hidden", "mlp.fc_out", bias: true)
        .Forward(g =>
        {
            var n = g.Call("Norm", g.Input).Named("n");
            var attention = g.Call("O", g.Call("Attend", g.Call("Rope", g.Call("Q", n)), g.Call("Rope", g.Call("K", n)), g.Call("V", n)));
            return g.Input + attention + g.Call("Down", g.Apply(NodeOp.GeluTanh, g.Call("Up", n)));
        })
        .Build();
}
