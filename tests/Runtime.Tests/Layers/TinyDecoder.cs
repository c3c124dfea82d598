using Generated;
using Generated.Architectures;
using Generated.Layers;
using Generated.Passes;
using TorchSharp;
using static Generated.Ops;
using static TorchSharp.torch;

namespace Runtime.Tests.Layers;

/// <summary>A small decoder whose every feature can be switched, to be wired by hand as generated code wires models.</summary>
internal sealed record TinyConfig
{
    public int Vocab { get; init; } = 61;
    public int Hidden { get; init; } = 32;
    public int Layers { get; init; } = 2;
    public int Heads { get; init; } = 4;
    public int KvHeads { get; init; } = 4;
    public int HeadDim { get; init; } = 8;
    public int Ffn { get; init; } = 48;
    public double Epsilon { get; init; } = 1e-6;
    public bool IsRotary { get; init; } = true;
    public int RotaryDim { get; init; }
    public double Theta { get; init; } = 10000;
    public RopeScaling? Scaling { get; init; }
    public RotaryPairing Pairing { get; init; }
    public PositionKind Positions { get; init; }
    public int LogNLength { get; init; }
    public bool Alibi { get; init; }
    public int Window { get; init; }
    public double Scale { get; init; }
    public bool Prefix { get; init; }
    public bool Bias { get; init; }
    public bool LayerNorm { get; init; }
    public bool Tied { get; init; }
    public bool UnitRows { get; init; }

    /// <summary>Learned positions with this offset; −1 for none.</summary>
    public int PositionOffset { get; init; } = -1;

    public int QWidth => Heads * HeadDim;
    public int KvWidth => KvHeads * HeadDim;
}

internal sealed class TinyBlock(TinyConfig c) : Block
{
    public INorm AttnNorm { get; private set; } = null!;
    public Linear Q { get; set; } = null!;
    public Linear K { get; set; } = null!;
    public Linear V { get; set; } = null!;
    public Linear O { get; set; } = null!;
    public Rotary? Rope { get; private set; }
    public LogN? LogN { get; private set; }
    public Attention Attend { get; private set; } = null!;
    public INorm MlpNorm { get; private set; } = null!;
    public Linear Gate { get; set; } = null!;
    public Linear Up { get; set; } = null!;
    public Linear Down { get; set; } = null!;
    public FusedLinear QKV { get; private set; } = null!;
    public FusedLinear GateUp { get; private set; } = null!;

    public override IReadOnlyList<LinearSite> LinearSites { get; } =
    [
        new("TinyBlock.Q", o => ((TinyBlock)o).Q, (o, l) => ((TinyBlock)o).Q = l),
        new("TinyBlock.K", o => ((TinyBlock)o).K, (o, l) => ((TinyBlock)o).K = l),
        new("TinyBlock.V", o => ((TinyBlock)o).V, (o, l) => ((TinyBlock)o).V = l),
        new("TinyBlock.O", o => ((TinyBlock)o).O, (o, l) => ((TinyBlock)o).O = l),
        new("TinyBlock.Gate", o => ((TinyBlock)o).Gate, (o, l) => ((TinyBlock)o).Gate = l),
        new("TinyBlock.Up", o => ((TinyBlock)o).Up, (o, l) => ((TinyBlock)o).Up = l),
        new("TinyBlock.Down", o => ((TinyBlock)o).Down, (o, l) => ((TinyBlock)o).Down = l),
    ];

    public override void Build(BuildContext build)
    {
        AttnNorm = Norm(build);
        Q = new DenseLinear(build, c.Hidden, c.QWidth, bias: c.Bias, shard: Shard.Column(c.HeadDim));
        K = new DenseLinear(build, c.Hidden, c.KvWidth, bias: c.Bias, shard: Shard.Column(c.HeadDim));
        V = new DenseLinear(build, c.Hidden, c.KvWidth, bias: c.Bias, shard: Shard.Column(c.HeadDim));
        O = new DenseLinear(build, c.QWidth, c.Hidden, bias: c.Bias, shard: Shard.Row(c.HeadDim));
        Rope = c.IsRotary ? new Rotary(build, c.HeadDim, c.RotaryDim, c.Theta, c.Scaling, c.Pairing, c.Positions) : null;
        LogN = c.LogNLength > 0 ? new LogN(build, c.LogNLength) : null;
        Attend = new Attention(build, c.Heads, c.KvHeads, c.HeadDim, alibi: c.Alibi, window: c.Window, scale: c.Scale, prefix: c.Prefix);
        MlpNorm = Norm(build);
        Gate = new DenseLinear(build, c.Hidden, c.Ffn, bias: c.Bias, shard: Shard.Column());
        Up = new DenseLinear(build, c.Hidden, c.Ffn, bias: c.Bias, shard: Shard.Column());
        Down = new DenseLinear(build, c.Ffn, c.Hidden, bias: c.Bias, shard: Shard.Row());
        QKV = new FusedLinear(build, () => Q, () => K, () => V);
        GateUp = new FusedLinear(build, () => Gate, () => Up);
    }

    private INorm Norm(BuildContext build) => c.LayerNorm ? new LayerNorm(build, c.Hidden, c.Epsilon) : new RmsNorm(build, c.Hidden, c.Epsilon);

    public override Tensor Full(Tensor x, PassContext pass)
    {
        using var norm = AttnNorm.Apply(x);
        pass.Probe?.LinearInput(Index, "TinyBlock.Q", norm);
        using var q = Q.Apply(norm, pass);
        using var k = K.Apply(norm, pass);
        using var v = V.Apply(norm, pass);
        using var turnedQ = Rope is { } r ? r.Apply(q, pass) : q.alias();
        using var turnedK = Rope is { } s ? s.Apply(k, pass) : k.alias();
        using var scaledQ = LogN is { } n ? n.Apply(turnedQ, pass) : turnedQ.alias();
        using var attend = Attend.Apply(scaledQ, turnedK, v, pass);
        using var o = O.Apply(attend, pass);
        using var h = Elementwise.Add(x, o);
        using var mlpNorm = MlpNorm.Apply(h);
        using var gate = Gate.Apply(mlpNorm, pass);
        using var up = Up.Apply(mlpNorm, pass);
        using var open = Elementwise.Silu(gate);
        using var product = Elementwise.Multiply(open, up);
        using var down = Down.Apply(product, pass);
        return Elementwise.Add(h, down);
    }

    public override Tensor Prefill(Tensor x, PassContext pass)
    {
        using var norm = AttnNorm.Apply(x);
        var (q, k, v) = QKV.Apply3(norm, pass);
        using var turnedQ = Rope is { } r ? r.Apply(q, pass) : q.alias();
        using var turnedK = Rope is { } s ? s.Apply(k, pass) : k.alias();
        q.Dispose();
        k.Dispose();
        using var scaledQ = LogN is { } n ? n.Apply(turnedQ, pass) : turnedQ.alias();
        using var attend = Attend.Prefill(scaledQ, turnedK, v, pass);
        v.Dispose();
        using var o = O.Apply(attend, pass);
        using var h = Elementwise.Add(x, o);
        using var mlpNorm = MlpNorm.Apply(h);
        var (gate, up) = GateUp.Apply2(mlpNorm, pass);
        using var product = Elementwise.SiluMultiply(gate, up);
        gate.Dispose();
        up.Dispose();
        using var down = Down.Apply(product, pass);
        return Elementwise.Add(h, down);
    }

    public override Tensor Decode(Tensor x, PassContext pass)
    {
        using var norm = AttnNorm.Decode(x);
        var (q, k, v) = QKV.Decode3(norm, pass);
        using var attend = LogN is null ? Attend.DecodeRotated(q, k, v, Rope, pass) : DecodeStepwise(q, k, v, pass);
        q.Dispose();
        k.Dispose();
        v.Dispose();
        using var o = O.Decode(attend, pass);
        var (h, mlpNorm) = MlpNorm.AddDecode(x, o);
        var (gate, up) = GateUp.Decode2(mlpNorm, pass);
        using var product = Elementwise.SiluMultiply(gate, up);
        gate.Dispose();
        up.Dispose();
        mlpNorm.Dispose();
        using var down = Down.Decode(product, pass);
        using (h)
            return Elementwise.Add(h, down);
    }

    /// <summary>Where something stands between rotation and attention.</summary>
    private Tensor DecodeStepwise(Tensor q, Tensor k, Tensor v, PassContext pass)
    {
        using var turnedQ = Rope is { } r ? r.Decode(q, pass) : q.alias();
        using var turnedK = Rope is { } s ? s.Decode(k, pass) : k.alias();
        using var scaledQ = LogN!.Decode(turnedQ, pass);
        return Attend.Decode(scaledQ, turnedK, v, pass);
    }

    public Flow Eager(Flow x)
    {
        var norm = AttnNorm.Eager(x);
        var q = Turn(Q.Eager(norm));
        var h = x + O.Eager(Attend.Eager(LogN is { } n ? n.Eager(q) : q, Turn(K.Eager(norm)), V.Eager(norm)));
        var m = MlpNorm.Eager(h);
        return h + Down.Eager(Silu(Gate.Eager(m)) * Up.Eager(m));
    }

    private Flow Turn(Flow x) => Rope is { } rope ? rope.Eager(x) : x;

    public override IEnumerable<WeightSlot> Weights()
    {
        var prefix = $"model.layers.{Index}";
        foreach (var slot in Of("AttnNorm", $"{prefix}.input_layernorm", AttnNorm, [c.Hidden], c.LayerNorm)) yield return slot;
        foreach (var slot in Of("Q", $"{prefix}.self_attn.q_proj", Q, [c.QWidth, c.Hidden], c.Bias)) yield return slot;
        foreach (var slot in Of("K", $"{prefix}.self_attn.k_proj", K, [c.KvWidth, c.Hidden], c.Bias)) yield return slot;
        foreach (var slot in Of("V", $"{prefix}.self_attn.v_proj", V, [c.KvWidth, c.Hidden], c.Bias)) yield return slot;
        foreach (var slot in Of("O", $"{prefix}.self_attn.o_proj", O, [c.Hidden, c.QWidth], c.Bias)) yield return slot;
        foreach (var slot in Of("MlpNorm", $"{prefix}.post_attention_layernorm", MlpNorm, [c.Hidden], c.LayerNorm)) yield return slot;
        foreach (var slot in Of("Gate", $"{prefix}.mlp.gate_proj", Gate, [c.Ffn, c.Hidden], c.Bias)) yield return slot;
        foreach (var slot in Of("Up", $"{prefix}.mlp.up_proj", Up, [c.Ffn, c.Hidden], c.Bias)) yield return slot;
        foreach (var slot in Of("Down", $"{prefix}.mlp.down_proj", Down, [c.Hidden, c.Ffn], c.Bias)) yield return slot;
    }

    internal static IEnumerable<WeightSlot> Of(string path, string name, object layer, long[] shape, bool bias)
    {
        yield return new WeightSlot(new TensorSpec(path, TensorKind.Weight, $"{name}.weight", shape), layer);
        if (bias)
            yield return new WeightSlot(new TensorSpec(path, TensorKind.Bias, $"{name}.bias", [shape[0]]), layer);
    }
}

internal sealed class TinyDecoder(TinyConfig c) : CausalModel
{
    private TinyBlock[] _blocks = [];

    public Embedding Embed { get; private set; } = null!;
    public PositionEmbedding? PositionTable { get; private set; }
    public INorm FinalNorm { get; private set; } = null!;
    public Linear Head { get; set; } = null!;

    public override object Config => c;
    public override ModelStructure Structure => new() { Linears = [], NormGroups = [], ScalePairs = [], FusedGroups = [], Exchanges = [], SequenceObstacle = "TinyDecoder: it is written by hand" };
    public override IInputScheme Inputs => CausalInputs.Instance;
    public override IReadOnlyList<Block> AllBlocks => _blocks;
    public IReadOnlyList<TinyBlock> Blocks => _blocks;
    public override IReadOnlyList<LinearSite> LinearSites { get; } = [new("Tiny.Head", o => ((TinyDecoder)o).Head, (o, l) => ((TinyDecoder)o).Head = l)];

    public static TinyDecoder Create(TinyConfig config, BuildOptions? options = null)
    {
        var model = new TinyDecoder(config);
        model.Initialize(new BuildContext(options ?? new BuildOptions()));
        return model;
    }

    public override void Build(BuildContext build)
    {
        Embed = new Embedding(build, c.Vocab, c.Hidden, shard: Shard.Vocabulary);
        PositionTable = c.PositionOffset < 0 ? null : new PositionEmbedding(build, 64 + c.PositionOffset, c.Hidden, c.PositionOffset);
        _blocks = new TinyBlock[c.Layers];
        for (var i = 0; i < _blocks.Length; i++)
        {
            _blocks[i] = new TinyBlock(c) { Index = i };
            _blocks[i].Build(build);
        }

        FinalNorm = c.LayerNorm ? new LayerNorm(build, c.Hidden, c.Epsilon) : new RmsNorm(build, c.Hidden, c.Epsilon);
        Head = new DenseLinear(build, c.Hidden, c.Vocab, shard: Shard.Vocabulary, unitRows: c.UnitRows, tied: c.Tied ? Embed : null);
    }

    public override Tensor Full(Tensor ids, PassContext pass)
    {
        var x = Enter(ids, pass);
        pass.Probe?.Hidden(0, x);
        for (var i = 0; i < _blocks.Length; i++)
        {
            var next = _blocks[i].Full(x, pass);
            x.Dispose();
            x = next;
            pass.Probe?.Hidden(i + 1, x);
        }

        using (x)
        {
            using var norm = FinalNorm.Apply(x);
            pass.Probe?.Named("final_norm", norm);
            return Head.Apply(norm, pass);
        }
    }

    public override Tensor Prefill(Tensor ids, PassContext pass)
    {
        var x = Enter(ids, pass);
        foreach (var block in _blocks)
        {
            var next = block.Prefill(x, pass);
            x.Dispose();
            x = next;
        }

        using (x)
        {
            using var last = pass.LastPosition(x);
            using var norm = FinalNorm.Apply(last);
            return Head.Apply(norm, pass);
        }
    }

    public override Tensor Decode(Tensor ids, PassContext pass)
    {
        var x = Enter(ids, pass);
        foreach (var block in _blocks)
        {
            var next = block.Decode(x, pass);
            x.Dispose();
            x = next;
        }

        using (x)
        {
            using var norm = FinalNorm.Decode(x);
            return Head.Decode(norm, pass);
        }
    }

    public override Tensor Eager(Tensor ids, PassContext pass) => Value(Forward(Tokens(ids, pass)));

    private Flow Forward(Tokens ids)
    {
        var x = Embed.Eager(ids);
        if (PositionTable is { } table)
            x = x + table.Eager(ids);
        foreach (var block in _blocks)
            x = block.Eager(x);
        return Head.Eager(FinalNorm.Eager(x));
    }

    public override Tensor Enter(Tensor ids, PassContext pass)
    {
        if (PositionTable is null)
            return Embed.Apply(ids, pass);
        using var tokens = Embed.Apply(ids, pass);
        using var positions = PositionTable.Apply(ids, pass);
        return Elementwise.Add(tokens, positions);
    }

    public override IEnumerable<WeightSlot> Weights()
    {
        foreach (var slot in TinyBlock.Of("Embed", "model.embed_tokens", Embed, [c.Vocab, c.Hidden], false)) yield return slot;
        if (PositionTable is { } table)
            foreach (var slot in TinyBlock.Of("Positions", "model.positions", table, [table.Count, c.Hidden], false)) yield return slot;
        foreach (var slot in TinyBlock.Of("FinalNorm", "model.norm", FinalNorm, [c.Hidden], c.LayerNorm)) yield return slot;
        yield return new WeightSlot(
            new TensorSpec("Head", TensorKind.Weight, "lm_head.weight", [c.Vocab, c.Hidden]) { TiedTo = c.Tied ? "model.embed_tokens.weight" : null }, Head);
        foreach (var block in _blocks)
            foreach (var slot in block.Weights())
                yield return slot;
    }
}
