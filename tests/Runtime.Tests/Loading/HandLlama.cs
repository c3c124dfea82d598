using Generated;
using Generated.Architectures;
using Generated.Configuration;
using Generated.Layers;
using Generated.Passes;
using TorchSharp;
using static TorchSharp.torch;

namespace Runtime.Tests.Loading;

/// <summary>A LLaMA written by hand on the runtime's layers, so that loading, generation and training are tested without the compiler.</summary>
internal sealed class HandLlama : CausalModel
{
    private readonly LlamaShape _shape;
    private readonly Embedding _embed;
    private readonly List<HandBlock> _blocks = [];
    private readonly RmsNorm _norm;
    private readonly DenseLinear _head;

    private HandLlama(LlamaShape shape, BuildOptions options)
    {
        _shape = shape;
        var build = new BuildContext(options);
        Initialize(build);
        _embed = new Embedding(build, shape.Vocab, shape.Hidden);
        for (var i = 0; i < shape.Layers; i++)
            _blocks.Add(new HandBlock(build, shape));
        _norm = new RmsNorm(build, shape.Hidden, shape.Epsilon);
        _head = new DenseLinear(build, shape.Hidden, shape.Vocab, tied: shape.Tied ? _embed : null);
    }

    public static ArchitectureInfo Architecture { get; } = new()
    {
        Name = nameof(HandLlama),
        ModelType = "llama",
        Architectures = ["LlamaForCausalLM"],
        ReadConfig = LlamaShape.Read,
        WriteConfig = (config, writer) => ((LlamaShape)config).Write(writer),
        Ignored = ["model.layers.{i}.self_attn.rotary_emb.inv_freq"],
        StructureOf = _ => throw new NotSupportedException(),
        TensorsOf = config => Tensors((LlamaShape)config),
        Create = (config, options) => new HandLlama((LlamaShape)config, options),
    };

    public override object Config => _shape;

    public override ModelStructure Structure => throw new NotSupportedException();

    public override IInputScheme Inputs => CausalInputs.Instance;

    public override IReadOnlyList<Block> AllBlocks => [];

    public override IReadOnlyList<LinearSite> LinearSites => [];

    public override void Build(BuildContext build)
    {
    }

    public override Tensor Full(Tensor ids, PassContext pass) => Run(ids, pass, (block, x) => block.Run(x, pass, block.Attend.Apply), x => x);

    public override Tensor Prefill(Tensor ids, PassContext pass) => Run(ids, pass, (block, x) => block.Run(x, pass, block.Attend.Prefill), pass.LastPosition);

    public override Tensor Decode(Tensor ids, PassContext pass) => Run(ids, pass, (block, x) => block.Run(x, pass, block.Attend.Decode), x => x);

    public override Tensor Eager(Tensor ids, PassContext pass) => Full(ids, pass);

    public override IEnumerable<WeightSlot> Weights() => Tensors(_shape).Select(spec => new WeightSlot(spec, Layer(spec.Layer)));

    private object Layer(string path)
    {
        var parts = path.Split('/');
        return parts[0] switch { "embed" => _embed, "norm" => _norm, "head" => _head, _ => _blocks[int.Parse(parts[0])].Layer(parts[1]) };
    }

    private static IEnumerable<TensorSpec> Tensors(LlamaShape s)
    {
        var kv = s.KvHeads * s.HeadDim;
        yield return Tensor("embed", "embed_tokens", [s.Vocab, s.Hidden], PaddleLayout.Same);
        for (var i = 0; i < s.Layers; i++)
        {
            foreach (var (name, shape) in new (string, long[])[]
            {
                ("input_layernorm", [s.Hidden]), ("self_attn.q_proj", [s.Hidden, s.Hidden]), ("self_attn.k_proj", [kv, s.Hidden]),
                ("self_attn.v_proj", [kv, s.Hidden]), ("self_attn.o_proj", [s.Hidden, s.Hidden]), ("post_attention_layernorm", [s.Hidden]),
                ("mlp.gate_proj", [s.Ffn, s.Hidden]), ("mlp.up_proj", [s.Ffn, s.Hidden]), ("mlp.down_proj", [s.Hidden, s.Ffn]),
            })
            {
                yield return Tensor($"{i}/{name}", $"layers.{i}.{name}", shape, PaddleLayout.Transposed);
            }
        }

        yield return Tensor("norm", "norm", [s.Hidden], PaddleLayout.Same);
        yield return new TensorSpec("head", TensorKind.Weight, "lm_head.weight", [s.Vocab, s.Hidden])
        {
            Paddle = "lm_head.weight",
            PaddleLayout = PaddleLayout.Transposed,
            TiedTo = s.Tied ? "model.embed_tokens.weight" : null,
        };

        static TensorSpec Tensor(string layer, string name, long[] shape, PaddleLayout layout) =>
            new(layer, TensorKind.Weight, $"model.{name}.weight", shape) { Paddle = $"llama.{name}.weight", PaddleLayout = layout };
    }

    private Tensor Run(Tensor ids, PassContext pass, Func<HandBlock, Tensor, Tensor> block, Func<Tensor, Tensor> last)
    {
        using var scope = torch.NewDisposeScope();
        var x = _embed.Apply(ids, pass);
        pass.Probe?.Hidden(0, x);
        for (var i = 0; i < _blocks.Count; i++)
        {
            x = block(_blocks[i], x);
            pass.Probe?.Hidden(i + 1, x);
        }

        x = _norm.Apply(last(x));
        pass.Probe?.Named("final_norm", x);
        return _head.Apply(x, pass).MoveToOuterDisposeScope();
    }

    internal sealed record LlamaShape(int Vocab, int Hidden, int Layers, int Heads, int KvHeads, int Ffn, double Epsilon, bool Tied)
    {
        public int HeadDim => Hidden / Heads;

        public static LlamaShape Read(ConfigReader c) => new(
            c.Size("vocab_size"), c.Size("hidden_size"), c.Size("num_hidden_layers"), c.Size("num_attention_heads"),
            c.SizeOr(c.Size("num_attention_heads"), "num_key_value_heads"), c.Size("intermediate_size"), c.DoubleOr(1e-6, "rms_norm_eps"), c.BoolOr(false, "tie_word_embeddings"));

        public void Write(ConfigWriter w)
        {
            w.Set("vocab_size", Vocab);
            w.Set("hidden_size", Hidden);
            w.Set("num_hidden_layers", Layers);
            w.Set("num_attention_heads", Heads);
            w.Set("num_key_value_heads", KvHeads);
            w.Set("intermediate_size", Ffn);
            w.Set("rms_norm_eps", Epsilon);
            w.Set("tie_word_embeddings", Tied);
        }
    }

    private sealed class HandBlock
    {
        private readonly RmsNorm _attentionNorm, _mlpNorm;
        private readonly DenseLinear _q, _k, _v, _o, _gate, _up, _down;
        private readonly Rotary _rope;

        public HandBlock(BuildContext build, LlamaShape s)
        {
            var kv = s.KvHeads * s.HeadDim;
            _attentionNorm = new RmsNorm(build, s.Hidden, s.Epsilon);
            _mlpNorm = new RmsNorm(build, s.Hidden, s.Epsilon);
            (_q, _k, _v, _o) = (new(build, s.Hidden, s.Hidden), new(build, s.Hidden, kv), new(build, s.Hidden, kv), new(build, s.Hidden, s.Hidden));
            (_gate, _up, _down) = (new(build, s.Hidden, s.Ffn), new(build, s.Hidden, s.Ffn), new(build, s.Ffn, s.Hidden));
            _rope = new Rotary(build, s.HeadDim);
            Attend = new Attention(build, s.Heads, s.KvHeads, s.HeadDim);
        }

        public Attention Attend { get; }

        public Tensor Run(Tensor x, PassContext pass, Func<Tensor, Tensor, Tensor, PassContext, Tensor> attend)
        {
            var normed = _attentionNorm.Apply(x);
            var q = _rope.Apply(_q.Apply(normed, pass), pass);
            var k = _rope.Apply(_k.Apply(normed, pass), pass);
            var h = x + _o.Apply(attend(q, k, _v.Apply(normed, pass), pass), pass);
            normed = _mlpNorm.Apply(h);
            return h + _down.Apply(_gate.Apply(normed, pass).silu() * _up.Apply(normed, pass), pass);
        }

        public object Layer(string name) => name switch
        {
            "input_layernorm" => _attentionNorm,
            "post_attention_layernorm" => _mlpNorm,
            "self_attn.q_proj" => _q,
            "self_attn.k_proj" => _k,
            "self_attn.v_proj" => _v,
            "self_attn.o_proj" => _o,
            "mlp.gate_proj" => _gate,
            "mlp.up_proj" => _up,
            _ => _down,
        };
    }
}
