using Generated.Architectures;
using Generated.Parallel;
using Generated.Passes;
using TorchSharp;
using static TorchSharp.torch;

namespace Generated.Layers;

/// <summary>
/// A linear layer y = x·Wᵀ (+ b) as a place that quantization and adapters can fill anew: this class does what tensor
/// parallelism asks, a derived class multiplies.
/// </summary>
public abstract class Linear : IWeighted, IDisposable
{
    private readonly bool _isSequenceParallel;

    /// <param name="build">The model being built.</param>
    /// <param name="inWidth">Input features of the whole layer.</param>
    /// <param name="outWidth">Output features of the whole layer.</param>
    /// <param name="shard">How it is divided; null for not.</param>
    /// <exception cref="InvalidInputException">It cannot be divided over the group's ranks.</exception>
    protected Linear(BuildContext build, int inWidth, int outWidth, Shard? shard)
    {
        ArgumentNullException.ThrowIfNull(build);
        (InWidth, OutWidth) = (inWidth, outWidth);
        Shard = shard ?? Shard.None;
        Group = build.Group;
        Device = build.Device;
        _isSequenceParallel = build.IsSequenceParallel;
        InputParts = (Shard.Kind == ShardKind.Row ? Shard : Shard.None).Parts(inWidth, Group);
        OutputParts = (Shard.Kind == ShardKind.Row ? Shard.None : Shard).Parts(outWidth, Group);
        // Ranks that hold the same inputs would add the same products to the sum.
        if (InputParts.Any(p => p.Replicas > 1))
            throw new InvalidInputException($"{inWidth} features in {inWidth / Shard.Unit} units of {Shard.Unit} cannot be divided over {Group.Size} ranks; use a tensor-parallel degree of at most {inWidth / Shard.Unit}.");
    }

    /// <summary>A linear in the place of another: same widths, division and group.</summary>
    protected Linear(Linear replaced)
    {
        ArgumentNullException.ThrowIfNull(replaced);
        (InWidth, OutWidth, Shard, Group, Device) = (replaced.InWidth, replaced.OutWidth, replaced.Shard, replaced.Group, replaced.Device);
        (InputParts, OutputParts, _isSequenceParallel) = (replaced.InputParts, replaced.OutputParts, replaced._isSequenceParallel);
    }

    /// <summary>Input features of the whole layer.</summary>
    public int InWidth { get; }

    /// <summary>Output features of the whole layer.</summary>
    public int OutWidth { get; }

    /// <summary>Input features of this rank.</summary>
    public int LocalInWidth => (int)InputParts.Sum(p => p.Range.Length);

    /// <summary>Output features of this rank.</summary>
    public int LocalOutWidth => (int)OutputParts.Sum(p => p.Range.Length);

    /// <summary>How it is divided over the group.</summary>
    public Shard Shard { get; }

    /// <summary>The tensor-parallel group.</summary>
    public ICollective Group { get; }

    /// <summary>This rank's input features as ranges of the whole layer's.</summary>
    public IReadOnlyList<WeightRange> InputRanges => [.. InputParts.Select(p => p.Range)];

    /// <summary>This rank's output features as ranges of the whole layer's.</summary>
    public IReadOnlyList<WeightRange> OutputRanges => [.. OutputParts.Select(p => p.Range)];

    /// <summary>Where it computes.</summary>
    internal Device Device { get; }

    internal IReadOnlyList<Shard.Part> InputParts { get; }

    internal IReadOnlyList<Shard.Part> OutputParts { get; }

    /// <summary>The bias of this rank's outputs ([out] where rows are divided), or null.</summary>
    public abstract Parameter? Bias { get; }

    /// <summary>The whole layer on a sequence, with gradients where they are enabled.</summary>
    /// <remarks>With <see cref="BuildOptions.SequenceParallel"/>, what is not divided by features is this rank's positions, [B, ⌈T/ranks⌉, ..].</remarks>
    /// <param name="x">[B, T, in], this rank's features where rows are divided; the caller's.</param>
    /// <param name="pass">The pass.</param>
    /// <returns>[B, T, out], this rank's features where columns are divided; the caller's.</returns>
    public Tensor Apply(Tensor x, PassContext pass)
    {
        if (Group.Size == 1)
            return Multiply(x, withBias: true);
        if (_isSequenceParallel && pass.Cache is null)
            return ApplyToPositions(x, pass);
        switch (Shard.Kind)
        {
            case ShardKind.Row:
                using (var partial = Multiply(x, withBias: false))
                    return Sum(partial);
            case ShardKind.None:
                return Multiply(x, withBias: true);
            case ShardKind.Vocabulary when pass.GatherLogits:
                using (var part = Multiply(Enter(x, pass), withBias: true))
                    return Gather(part);
            default:
                return Multiply(Enter(x, pass), withBias: true);
        }
    }

    /// <summary>The whole layer on one new token per row, without gradients.</summary>
    /// <param name="x">[B, 1, in].</param>
    /// <param name="pass">The pass.</param>
    /// <returns>[B, 1, out].</returns>
    public Tensor Decode(Tensor x, PassContext pass)
    {
        if (Group.Size == 1)
            return MultiplyFew(x, withBias: true);
        switch (Shard.Kind)
        {
            case ShardKind.Row:
                using (var partial = MultiplyFew(x, withBias: false))
                    return Sum(partial);
            case ShardKind.Vocabulary when pass.GatherLogits:
                using (var part = MultiplyFew(x, withBias: true))
                    return Gather(part);
            default:
                return MultiplyFew(x, withBias: true);
        }
    }

    /// <summary>The whole layer by plain operators.</summary>
    public abstract Flow Eager(Flow x);

    /// <inheritdoc/>
    public abstract WeightShare? Share(TensorKind kind);

    /// <summary>Frees the weights.</summary>
    public virtual void Dispose()
    {
        GC.SuppressFinalize(this);
    }

    /// <summary>This rank's product, for a linear that wraps this one.</summary>
    internal Tensor Product(Tensor x, bool withBias) => Multiply(x, withBias);

    /// <summary>The same for few rows.</summary>
    internal Tensor ProductOfFew(Tensor x, bool withBias) => MultiplyFew(x, withBias);

    /// <summary>This rank's product, with the bias or without.</summary>
    protected abstract Tensor Multiply(Tensor x, bool withBias);

    /// <summary>The same for few rows (decoding), without gradients.</summary>
    protected virtual Tensor MultiplyFew(Tensor x, bool withBias) => Multiply(x, withBias);

    /// <summary>Adds the bias once to a sum over ranks; the result has the sum's type, whatever the bias is kept in.</summary>
    protected Tensor WithBias(Tensor sum) => Bias is { } bias ? WithBias(sum, bias.Value) : sum;

    /// <summary>Sums partial products over ranks and adds the bias once.</summary>
    protected Tensor Sum(Tensor partial)
    {
        if (is_grad_enabled() && partial.requires_grad)
            return WithBias(CollectiveOps.ReduceFromTensorParallel(partial, Group));
        using var contiguous = partial.contiguous();
        Group.AllReduce(contiguous);
        return WithBias(contiguous.alias());
    }

    private static Tensor WithBias(Tensor sum, Tensor bias)
    {
        using (sum)
        {
            if (bias.dtype == sum.dtype)
                return sum.add(bias);
            using var wide = sum.add(bias);
            return wide.to(sum.dtype);
        }
    }

    /// <summary>The layer where what is whole elsewhere is this rank's positions: [B, ⌈T/ranks⌉, ..].</summary>
    private Tensor ApplyToPositions(Tensor x, PassContext pass)
    {
        switch (Shard.Kind)
        {
            case ShardKind.Row:
                using (var partial = Multiply(x, withBias: false))
                {
                    var sum = SequenceShards.ReduceScatter(partial, Group);
                    if (Bias is not { } own)
                        return sum;
                    using var bias = SequenceShards.Weight(own, Group);
                    return WithBias(sum, bias);
                }

            case ShardKind.None:
                using (var whole = SequenceShards.GatherAlike(x, pass.Length, Group))
                using (var result = Multiply(whole, withBias: true))
                    return SequenceShards.Scatter(result, Group);
            case ShardKind.Vocabulary when pass.GatherLogits:
                using (var part = Multiply(pass.EnterColumnsByPositions(x, Group), withBias: true))
                    return Gather(part);
            default:
                return Multiply(pass.EnterColumnsByPositions(x, Group), withBias: true);
        }
    }

    private Tensor Enter(Tensor x, PassContext pass) => is_grad_enabled() && x.requires_grad ? pass.EnterColumns(x, Group) : x;

    private Tensor Gather(Tensor part)
    {
        var range = VocabRange.Of(OutWidth, Group);
        if (!is_grad_enabled() || !part.requires_grad)
            return VocabParallel.GatherLogits(part, range, Group);
        var step = (range.Vocabulary + Group.Size - 1) / Group.Size;
        using var padded = range.Length == step ? part.alias() : nn.functional.pad(part, [0, step - range.Length]);
        using var full = CollectiveOps.GatherFromTensorParallel(padded, Group);
        return full.narrow(-1, 0, range.Vocabulary);
    }
}
