using Generated.Architectures;
using Generated.Passes;
using TorchSharp;
using static TorchSharp.torch;

namespace Generated.Layers;

/// <summary>Learned position embedding: every rank holds the whole table.</summary>
public sealed class PositionEmbedding : IWeighted
{
    private readonly BuildContext _build;
    private readonly int _offset;
    private readonly PositionKind _positions;

    /// <param name="build">The model being built.</param>
    /// <param name="count">Rows of the table, offset included.</param>
    /// <param name="width">Width of an embedding.</param>
    /// <param name="offset">Added to every position (OPT: 2).</param>
    /// <param name="positions">Which position is looked up.</param>
    public PositionEmbedding(BuildContext build, int count, int width, int offset = 0, PositionKind positions = PositionKind.Sequence)
    {
        ArgumentNullException.ThrowIfNull(build);
        if (positions == PositionKind.SequenceAndBlock)
            throw new ArgumentException("A table is looked up by one kind of position; use two tables.", nameof(positions));
        (_build, Count, Width, _offset, _positions) = (build, count, width, offset, positions);
        Weight = new Parameter(build, count, width);
    }

    /// <summary>Rows of the table.</summary>
    public int Count { get; }

    /// <summary>Width of an embedding.</summary>
    public int Width { get; }

    /// <summary>The table, [count, width].</summary>
    public Parameter Weight { get; }

    /// <summary>Looks up the positions of ids, int64 [B, T]; the result, [B, T, width] or this rank's positions of it (<see cref="BuildOptions.SequenceParallel"/>), is the caller's.</summary>
    /// <exception cref="InvalidInputException">A position lies behind the table.</exception>
    public Tensor Apply(Tensor ids, PassContext pass)
    {
        if (!_build.IsSequenceParallel || pass.Cache is not null)
            return Rows(ids, pass);
        using var whole = Rows(ids, pass);
        return SequenceShards.Scatter(whole, _build.Group);
    }

    /// <summary>The same by plain operators.</summary>
    public Flow Eager(Tokens ids) => new(Rows(ids.Ids, ids.Context), ids.Context);

    /// <inheritdoc/>
    public WeightShare? Share(TensorKind kind) => kind == TensorKind.Weight ? new WeightShare(Weight) : null;

    private Tensor Rows(Tensor ids, PassContext pass)
    {
        var highest = (_positions == PositionKind.Block ? pass.MaxBlockPosition : pass.MaxPosition) + _offset;
        if (highest >= Count)
            throw new InvalidInputException($"Position {highest - _offset} is beyond the {Count - _offset} learned positions of this model; use a shorter sequence.");
        var positions = _positions == PositionKind.Block ? pass.BlockPositions(ids.device) : pass.Positions(ids.device);
        using var flat = positions.view(-1);
        using var shifted = _offset == 0 ? flat.alias() : flat.add(_offset);
        using var rows = Weight.Value.index_select(0, shifted);
        return rows.view([.. ids.shape, Width]);
    }
}
