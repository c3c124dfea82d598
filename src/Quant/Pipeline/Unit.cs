using Generated.Architectures;
using Generated.Layers;
using Generated.Loading;
using Generated.Passes;
using Generated.Quant.Layers;
using static TorchSharp.torch;

namespace Generated.Quant.Pipeline;

/// <summary>What is quantized in one go and alone in memory: a block, or what a model has before or behind its blocks.</summary>
internal abstract class Unit : IDisposable
{
    private Dictionary<string, LinearSlot>? _linears;

    /// <summary>Index of the block; −1 outside blocks.</summary>
    public abstract int Block { get; }

    /// <summary>For people: "block 3".</summary>
    public abstract string Title { get; }

    /// <summary>Its checkpoint tensors with their parameters; both ends of a model have those of both.</summary>
    public abstract IEnumerable<WeightSlot> Slots { get; }

    /// <summary>What its layers were built with.</summary>
    public abstract BuildContext Context { get; }

    /// <summary>Its linears by declared path.</summary>
    public IReadOnlyDictionary<string, LinearSlot> Linears => _linears ??= FindLinears().ToDictionary(slot => slot.Path, StringComparer.Ordinal);

    /// <summary>Operations that were inserted in front of a site's quantized linears.</summary>
    public Dictionary<string, InputTransform> Inserted { get; } = new(StringComparer.Ordinal);

    /// <summary>The norm at a declared path.</summary>
    public INorm Norm(string path)
    {
        var member = path[(path.IndexOf('.', StringComparison.Ordinal) + 1)..];
        return Slots.Where(slot => slot.Spec.Layer == member).Select(slot => slot.Layer).OfType<INorm>().FirstOrDefault()
            ?? throw new InvalidOperationException($"{Title} has no norm '{path}'.");
    }

    /// <summary>Rows of some length that it runs on at a time where nothing else limits them: logits may be larger than the model.</summary>
    public virtual int MostRows(int length) => int.MaxValue;

    /// <summary>Its full pass; the result is the caller's.</summary>
    public abstract Tensor Run(Tensor input, PassContext pass);

    /// <summary>The same for a prompt, filling a cache.</summary>
    public virtual Tensor Prefill(Tensor input, PassContext pass) => Run(input, pass);

    /// <summary>The same for one new token.</summary>
    public virtual Tensor Decode(Tensor input, PassContext pass) => Run(input, pass);

    /// <inheritdoc/>
    public abstract void Dispose();

    protected abstract IEnumerable<LinearSlot> FindLinears();
}

/// <summary>A block.</summary>
internal sealed class BlockUnit(StreamedBlock loaded) : Unit
{
    /// <summary>The block with its weights.</summary>
    public Block Layers => loaded.Block;

    public override int Block => loaded.Block.Index;

    public override string Title => $"block {Block}";

    public override IEnumerable<WeightSlot> Slots => loaded.Block.Weights();

    public override BuildContext Context => loaded.Context;

    public override Tensor Run(Tensor input, PassContext pass) => loaded.Block.Full(input, pass);

    public override Tensor Prefill(Tensor input, PassContext pass) => loaded.Block.Prefill(input, pass);

    public override Tensor Decode(Tensor input, PassContext pass) => loaded.Block.Decode(input, pass);

    public override void Dispose() => loaded.Dispose();

    protected override IEnumerable<LinearSlot> FindLinears() => loaded.Linears();
}

/// <summary>What a model has before its blocks (the embedding and what follows it) or behind them (norm and head).</summary>
/// <param name="model">The model, its blocks without memory; the caller's.</param>
/// <param name="isBefore">Whether it is what comes before.</param>
internal sealed class EndsUnit(CausalModel model, bool isBefore) : Unit
{
    private const long LogitsAtOnce = 1 << 23;

    /// <summary>The model.</summary>
    public CausalModel Model => model;

    public override int Block => -1;

    public override string Title => isBefore ? "what is before the blocks" : "what is behind the blocks";

    public override IEnumerable<WeightSlot> Slots => model.WeightsOutsideBlocks();

    public override BuildContext Context => model.Context;

    public override int MostRows(int length) =>
        isBefore ? int.MaxValue : (int)Math.Max(1, LogitsAtOnce / ((long)length * Linears.Values.Select(slot => slot.Linear.OutWidth).DefaultIfEmpty(1).Max()));

    public override Tensor Run(Tensor input, PassContext pass) => isBefore ? model.Enter(input, pass) : model.Leave(input, pass);

    public override void Dispose()
    {
    }

    protected override IEnumerable<LinearSlot> FindLinears() => model.Linears().Where(slot => slot.Block < 0);
}
