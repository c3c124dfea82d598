using System.Buffers;
using Generated.Architectures;
using Generated.Checkpoints;
using Generated.Checkpoints.Views;

namespace Generated.Loading.Converting;

/// <summary>Paddle's tensor-parallel shards (<c>model_state.tp0X.pdparams</c>) as the undivided checkpoint that they are parts of.</summary>
internal static class RankMerge
{
    private const int Piece = 4 << 20;

    /// <summary>Views of the whole tensors; nothing but what every rank holds a copy of is read, and that is compared.</summary>
    /// <param name="checkpoint">The shards.</param>
    /// <param name="architecture">The architecture.</param>
    /// <param name="config">Its typed config.</param>
    /// <exception cref="InvalidInputException">The ranks do not fit together.</exception>
    public static ITensorSource Whole(Checkpoint checkpoint, ArchitectureInfo architecture, object config)
    {
        IReadOnlyList<ITensorSource> ranks = [.. checkpoint.Ranks.Select(rank => PaddleFusion.Split(rank, architecture, config))];
        var layout = RankLayout.Of(architecture, config, ranks.Count);
        var names = new CheckpointNames(ranks[0], CheckpointLayout.Paddle, architecture.OptionalPrefix);
        var views = new OrderedDictionary<string, TensorView>(StringComparer.Ordinal);
        foreach (var spec in architecture.TensorsOf(config))
        {
            foreach (var tensor in FileTensor.Of(spec, CheckpointLayout.Paddle))
            {
                if (names.Find(tensor.Name) is { } name)
                    views[name] = Join(ranks, layout, spec, tensor, name);
            }
        }

        // What the model does not know is reported, or ignored, by whoever knows it.
        foreach (var name in ranks.SelectMany(rank => rank.Tensors.Keys))
        {
            if (!views.ContainsKey(name))
                views.Add(name, TensorView.Of(ranks.First(rank => rank.Tensors.ContainsKey(name)), name));
        }

        return new ViewSource(checkpoint.Location, views.Values, checkpoint.Metadata);
    }

    private static TensorView Join(IReadOnlyList<ITensorSource> ranks, RankLayout layout, TensorSpec spec, FileTensor tensor, string name)
    {
        foreach (var rank in ranks)
        {
            if (!rank.Tensors.ContainsKey(name))
                throw new InvalidInputException($"{rank.Location} lacks tensor {Describe.Name(name)}, which {ranks[0].Location} has.");
        }

        IReadOnlyList<TensorView> parts = [.. ranks.Select(rank => TensorView.Of(rank, name))];
        if (parts.Any(part => !part.Info.Shape.SequenceEqual(tensor.Shape)))
            return (layout.Merge(spec, tensor, parts) ?? parts.First(part => !part.Info.Shape.SequenceEqual(tensor.Shape))).Rename(name);
        for (var rank = 1; rank < ranks.Count; rank++)
        {
            if (!AreEqual(parts[0], parts[rank]))
                throw new InvalidInputException($"{ranks[rank].Location} holds other values of {Describe.Name(name)} than {ranks[0].Location}, though every rank has all of it.");
        }

        return parts[0];
    }

    private static bool AreEqual(TensorView left, TensorView right)
    {
        if (left.Info.DType != right.Info.DType)
            return false;
        var size = left.Info.DType.Size();
        foreach (var slice in TensorSlice.All(left.Info).Chunks(Piece / size))
        {
            var length = checked((int)(slice.ElementCount * size));
            var (a, b) = (ArrayPool<byte>.Shared.Rent(length), ArrayPool<byte>.Shared.Rent(length));
            left.Read(slice, a.AsSpan(0, length));
            right.Read(slice, b.AsSpan(0, length));
            var isEqual = a.AsSpan(0, length).SequenceEqual(b.AsSpan(0, length));
            ArrayPool<byte>.Shared.Return(a);
            ArrayPool<byte>.Shared.Return(b);
            if (!isEqual)
                return false;
        }

        return true;
    }
}
