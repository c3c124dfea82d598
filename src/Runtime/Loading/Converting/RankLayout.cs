using Generated.Architectures;
using Generated.Checkpoints.Views;
using Generated.Layers;
using Generated.Parallel;
using TorchSharp;

namespace Generated.Loading.Converting;

/// <summary>
/// How PaddleNLP's tensor-parallel ranks share the tensors of a model: by the derived partition, fused sections each by itself, K and V
/// heads of which there are too few whole on every rank, and what a declaration says of Paddle in particular.
/// </summary>
internal sealed class RankLayout
{
    private readonly Dictionary<string, WeightSlot> _slots;
    private readonly string _name;
    private readonly int _ranks;

    private RankLayout(string name, int ranks, Dictionary<string, WeightSlot> slots) => (_name, _ranks, _slots) = (name, ranks, slots);

    /// <summary>The layout for a config.</summary>
    /// <exception cref="InvalidInputException">The model cannot be divided so.</exception>
    public static RankLayout Of(ArchitectureInfo architecture, object config, int ranks)
    {
        using var group = new ShapeGroup(ranks);
        using var model = architecture.Create(config, new BuildOptions { Device = torch.META, TensorParallel = group });
        return new RankLayout(architecture.Name, ranks, model.Weights().ToDictionary(slot => slot.Name, StringComparer.Ordinal));
    }

    /// <summary>What a rank's file holds of a file's tensor.</summary>
    /// <param name="spec">The weight.</param>
    /// <param name="tensor">The tensor of an undivided file.</param>
    /// <param name="whole">Its values.</param>
    /// <param name="rank">The rank.</param>
    public TensorView Part(TensorSpec spec, FileTensor tensor, TensorView whole, int rank)
    {
        if (Split(spec, tensor) is not { } split)
            return whole;
        return IsHeadByHead(spec)
            ? HeadByHead(spec, whole, split.Axis, isBack: false).Part(split.Axis, rank, _ranks)
            : split.Part(whole, rank, _ranks);
    }

    /// <summary>A tensor of an undivided file from every rank's; null where each rank holds all of it.</summary>
    public TensorView? Merge(TensorSpec spec, FileTensor tensor, IReadOnlyList<TensorView> parts)
    {
        if (Split(spec, tensor) is not { } split)
            return null;
        return IsHeadByHead(spec)
            ? HeadByHead(spec, TensorView.Concat(split.Axis, parts), split.Axis, isBack: true)
            : split.Merge(parts);
    }

    private static bool IsHeadByHead(TensorSpec spec) => spec.PaddleSplit == PaddleSplit.HeadByHead;

    /// <summary>How a file's tensor is cut, along its own axes; null where it is not.</summary>
    private TensorSplit? Split(TensorSpec spec, FileTensor tensor)
    {
        var slot = _slots[spec.Name];
        var (axis, sections) = spec.PaddleSplit switch
        {
            PaddleSplit.Whole => (-1, []),
            PaddleSplit.Column => (0, [spec.Shape[0]]),
            _ => (slot.ShardAxis, Sections(spec, slot)),
        };
        if (axis < 0 || sections.Count == 0)
            return null;
        if (spec.PaddleSections.Count > 0)
            sections = [tensor.Rows.Length];
        foreach (var size in sections)
        {
            if (size % _ranks != 0)
                throw new InvalidInputException($"{_name}: {size} features of '{spec.Name}' cannot be divided over {_ranks} ranks; use a degree that divides them.");
        }

        return new TensorSplit(tensor.IsTransposed ? 1 - axis : axis, sections.Count == 1 ? [] : sections);
    }

    /// <summary>Sizes of the sections that are divided each by itself; none where every rank holds the whole.</summary>
    private IReadOnlyList<long> Sections(TensorSpec spec, WeightSlot slot)
    {
        if (slot.ShardAxis < 0)
            return [];
        var size = spec.Shape[slot.ShardAxis];
        var sections = slot.Ranges.Select(range => range.Length * _ranks).ToArray();
        if (sections.Sum() == size)
            return sections;
        if (slot.Layer is Linear { Shard.Kind: ShardKind.Column } && sections.Length == 1)
            return []; // fewer K and V heads than ranks
        throw new InvalidInputException($"{_name}: Paddle's ranks hold equal parts, and the {size} features of '{spec.Name}' do not divide over {_ranks}.");
    }

    /// <summary>[q | k | v] as [q1, k1, v1, q2, …], or back.</summary>
    private TensorView HeadByHead(TensorSpec spec, TensorView view, int axis, bool isBack)
    {
        var head = ((Linear)_slots[spec.Name].Layer).Shard.Unit;
        var sections = spec.Sections!.Widths.Count;
        var heads = view.Info.Shape[axis] / head / sections;
        long[] sizes = isBack ? [heads, sections, head] : [sections, heads, head];
        int[] order = [.. Enumerable.Range(0, view.Info.Shape.Count + 2)];
        (order[axis], order[axis + 1]) = (order[axis + 1], order[axis]);
        return view.Unflatten(axis, sizes).Permute(order).Flatten(axis, 3);
    }
}
