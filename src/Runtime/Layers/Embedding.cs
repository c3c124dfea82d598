using Generated.Architectures;
using Generated.Parallel;
using Generated.Passes;
using TorchSharp;
using static TorchSharp.torch;

namespace Generated.Layers;

/// <summary>Token embedding; its rows may be divided over ranks.</summary>
public sealed class Embedding : IWeighted
{
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
        _group = build.Group;
        _isDivided = shard?.Kind == ShardKind.Vocabulary && _group.Size > 1;
        _range = _isDivided ? VocabRange.Of(count, _group) : new VocabRange(0, count, count);
        Weight = new Parameter(build, _range.Length, width);
    }

    /// <summary>Vocabulary size.</summary>
    public int Count { get; }

    /// <summary>Width of an embedding.</summary>
    public int Width { get; }

    /// <summary>The rows of this rank, [rows, width].</summary>
    public Parameter Weight { get; }

    /// <summary>Which rows of the vocabulary they are.</summary>
    public WeightRange Rows => new(_range.Start, _range.Length);

    /// <summary>Looks up ids, int64 [B, T]; the result, [B, T, width], is the caller's.</summary>
    public Tensor Apply(Tensor ids, PassContext pass)
    {
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

    /// <summary>The same by plain operators.</summary>
    public Flow Eager(Tokens ids) => new(Apply(ids.Ids, ids.Context), ids.Context);

    /// <inheritdoc/>
    public WeightShare? Share(TensorKind kind) => kind != TensorKind.Weight
        ? null
        : _isDivided ? new WeightShare(Weight) { Axis = 0, Ranges = [Rows] } : new WeightShare(Weight);
}
