using Generated;
using static Generated.Ops;

namespace Docs.Tests.Example;

[Config]
public sealed partial record GptJConfig
{
    [Key("vocab_size")] public required int Vocab { get; init; }
    [Key("n_embd")] public required int Hidden { get; init; }
    [Key("n_layer")] public required int Layers { get; init; }
    [Key("n_head")] public required int Heads { get; init; }
    [Key("rotary_dim")] public required int RotaryDim { get; init; }
    [Key("n_positions")] public int MaxPositions { get; init; } = 2048;
    [Key("n_inner")] public int Ffn { get => field > 0 ? field : 4 * Hidden; init; }
    [Key("layer_norm_epsilon")] public double Epsilon { get; init; } = 1e-5;
    public int HeadDim => Hidden / Heads;

    [Preset("gpt-j-6b", TensorParallel = [2, 4, 8])]
    public static GptJConfig GptJ6B => new() { Vocab = 50400, Hidden = 4096, Layers = 28, Heads = 16, RotaryDim = 64 };
}

[Block("transformer.h.{i}"), Ignore("attn.bias", "attn.masked_bias")]
public sealed partial class GptJBlock(GptJConfig c)
{
    [LayerNorm(nameof(c.Hidden), "ln_1", Epsilon = nameof(c.Epsilon))] private partial Flow Norm(Flow x);
    [Linear(nameof(c.Hidden), nameof(c.Hidden), "attn.q_proj")] private partial Flow Q(Flow x);
    [Linear(nameof(c.Hidden), nameof(c.Hidden), "attn.k_proj")] private partial Flow K(Flow x);
    [Linear(nameof(c.Hidden), nameof(c.Hidden), "attn.v_proj")] private partial Flow V(Flow x);
    [Rotary(nameof(c.HeadDim), Dim = nameof(c.RotaryDim), Pairing = RotaryPairing.Adjacent)] private partial Flow Rope(Flow x);
    [Attention(nameof(c.Heads), nameof(c.Heads), nameof(c.HeadDim))] private partial Flow Attend(Flow q, Flow k, Flow v);
    [Linear(nameof(c.Hidden), nameof(c.Hidden), "attn.out_proj")] private partial Flow O(Flow x);
    [Linear(nameof(c.Hidden), nameof(c.Ffn), "mlp.fc_in", Bias = true)] private partial Flow Up(Flow x);
    [Linear(nameof(c.Ffn), nameof(c.Hidden), "mlp.fc_out", Bias = true)] private partial Flow Down(Flow x);

    private Flow Attention(Flow x) => O(Attend(Rope(Q(x)), Rope(K(x)), V(x)));

    public Flow Forward(Flow x)
    {
        var n = Norm(x);
        return x + Attention(n) + Down(GeluTanh(Up(n)));
    }
}

[Model("gptj", Architectures = ["GPTJForCausalLM"])]
public sealed partial class GptJ(GptJConfig c)
{
    [Embedding(nameof(c.Vocab), nameof(c.Hidden), "transformer.wte")] private partial Flow Embed(Tokens ids);
    [Repeat<GptJBlock>(nameof(c.Layers))] private partial Flow Blocks(Flow x);
    [LayerNorm(nameof(c.Hidden), "transformer.ln_f", Epsilon = nameof(c.Epsilon))] private partial Flow FinalNorm(Flow x);
    [Linear(nameof(c.Hidden), nameof(c.Vocab), "lm_head", Bias = true)] private partial Flow Head(Flow x);

    public Flow Forward(Tokens ids) => Head(FinalNorm(Blocks(Embed(ids))));
}
