using Generated.Architectures;
using Generated.Parallel;
using Generated.Passes;
using TorchSharp;
using static TorchSharp.torch;

namespace Generated.Layers;

/// <summary>The rows of a token embedding in another form than a matrix of floats: what quantization puts in its place.</summary>
public abstract class EmbeddingTable : IDisposable
{
    /// <summary>Memory it takes, in bytes.</summary>
    public abstract long Bytes { get; }

    /// <summary>The rows of this rank at some indices, without gradients; the caller's.</summary>
    /// <param name="indices">Int64 [n], counted from this rank's first row.</param>
    /// <returns>[n, width] of the model's type.</returns>
    public abstract Tensor Rows(Tensor indices);

    /// <inheritdoc/>
    public abstract void Dispose();
}

/// <summary>Token embedding; its rows may be divided over ranks.</summary>
public sealed class Embedding : IWeighted
{
    private readonly BuildContext _build;
    private readonly VocabRange _range;
    private readonly ICollective _group;
    private readonly bool _isDivided;

    /// <param name="build">The model being built.</param>
    /// <param name="count">Vocabulary size.</param>
    /// <param name="width">Width of an embedding.</param>
    /// <param name="shard"><see cref="Shard.Vocabulary"/> or none.</param>
    /// <exception cref="InvalidInputException">There are more ranks than rows.</exception>
    public Embedding(BuildContext build, int count, int width, Shard? shard = null)
    {
        ArgumentNullException.ThrowIfNull(build);
        (Count, Width) = (count, width);
        _build = build;
        _group = build.Group;
        _isDivided = shard?.Kind == ShardKind.Vocabulary && _group.Size > 1;
        _range = _isDivided ? VocabRange.Of(count, _group) : new VocabRange(0, count, count);
        Weight = Parameter.Matrix(build, _range.Length, width);
    }

    /// <summary>Vocabulary size.</summary>
    public int Count { get; }

    /// <summary>Width of an embedding.</summary>
    public int Width { get; }

    /// <summary>The rows of this rank, [rows, width]; not used for looking up where there is a <see cref="Table"/>.</summary>
    public Parameter Weight { get; }

    /// <summary>What has taken the place of the matrix, or null.</summary>
    public EmbeddingTable? Table { get; private set; }

    /// <summary>Which rows of the vocabulary they are.</summary>
    public WeightRange Rows => new(_range.Start, _range.Length);

    /// <summary>Looks rows up in another table from now on. The matrix stays, for a head that is tied to it; where there is none, free it.</summary>
    /// <param name="table">This rank's rows; the model disposes of it.</param>
    public void Replace(EmbeddingTable table)
    {
        ArgumentNullException.ThrowIfNull(table);
        Table = _build.Own(table);
    }

    /// <summary>Looks up ids, int64 [B, T]; the result, [B, T, width] or this rank's positions of it (<see cref="BuildOptions.SequenceParallel"/>), is the caller's.</summary>
    public Tensor Apply(Tensor ids, PassContext pass)
    {
        if (!_build.IsSequenceParallel || pass.Cache is not null)
            return Lookup(ids);
        if (Table is null && _isDivided)
        {
            using var partial = VocabParallel.PartialEmbedding(ids, Weight.Value, _range);
            return SequenceShards.ReduceScatter(partial, _group);
        }

        using var whole = Lookup(ids);
        return SequenceShards.Scatter(whole, _group);
    }

    /// <summary>The same by plain operators.</summary>
    public Flow Eager(Tokens ids) => new(Lookup(ids.Ids), ids.Context);

    /// <inheritdoc/>
    public WeightShare? Share(TensorKind kind) => kind != TensorKind.Weight || Table is not null
        ? null
        : _isDivided ? new WeightShare(Weight) { Axis = 0, Ranges = [Rows] } : new WeightShare(Weight);

    private Tensor Lookup(Tensor ids)
    {
        if (Table is { } table)
            return Lookup(table, ids);
        if (!_isDivided)
        {
            using var flat = ids.reshape(-1);
            using var rows = Weight.Value.index_select(0, flat);
            return rows.view([.. ids.shape, Width]);
        }

        if (is_grad_enabled() && Weight.RequiresGrad)
            return VocabParallel.Embedding(ids, Weight.Value, _range, _group);
        var partial = VocabParallel.PartialEmbedding(ids, Weight.Value, _range);
        _group.AllReduce(partial);
        return partial;
    }

    private Tensor Lookup(EmbeddingTable table, Tensor ids)
    {
        using var _ = no_grad();
        using var flat = ids.reshape(-1);
        if (!_isDivided)
        {
            using var rows = table.Rows(flat);
            return rows.view([.. ids.shape, Width]);
        }

        using var scope = NewDisposeScope();
        var local = flat - _range.Start;
        var isMine = local.ge(0).logical_and(local.lt(_range.Length));
        var partial = table.Rows(local.clamp(0, _range.Length - 1)).mul(isMine.unsqueeze(-1)).view([.. ids.shape, Width]);
        _group.AllReduce(partial);
        return partial.MoveToOuterDisposeScope();
    }
}
