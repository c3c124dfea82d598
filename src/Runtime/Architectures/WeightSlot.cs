using Generated.Layers;
using static TorchSharp.torch;

namespace Generated.Architectures;

/// <summary>A place in a parameter and the part of the whole weight that belongs there.</summary>
/// <param name="Source">Range of the whole weight along the divided axis (0 where nothing is divided).</param>
/// <param name="Target">First index in the parameter along the same axis.</param>
public readonly record struct WeightPiece(WeightRange Source, long Target);

/// <summary>One checkpoint tensor of a built model: what the declaration says of it, and the parameter that it fills.</summary>
/// <param name="spec">What the declaration says.</param>
/// <param name="layer">The layer it belongs to.</param>
public sealed class WeightSlot(TensorSpec spec, object layer)
{
    private readonly WeightShare? _share = (layer as IWeighted)?.Share(spec.Kind);

    /// <summary>Names, layout and shape, as the declaration says.</summary>
    public TensorSpec Spec { get; } = spec;

    /// <summary>The layer it belongs to.</summary>
    public object Layer { get; } = layer;

    /// <summary>Name in Hugging Face's files.</summary>
    public string Name => Spec.Name;

    /// <summary>Shape of the whole weight in the parameter's layout ([out, in] for a linear), over all ranks.</summary>
    public IReadOnlyList<long> Shape => Spec.Shape;

    /// <summary>Shape in Hugging Face's file.</summary>
    public IReadOnlyList<long> FileShape => Spec.StoredInOut && Shape.Count == 2 ? [Shape[1], Shape[0]] : Shape;

    /// <summary>Number of elements of the whole weight.</summary>
    public long Count => Shape.Aggregate(1L, (count, size) => checked(count * size));

    /// <summary>Whether it is the matrix of another slot: files may lack it.</summary>
    public bool IsTied => Spec.TiedTo is not null;

    /// <summary>The weight it fills; null where the layer has been replaced by one that keeps it in another form.</summary>
    public Parameter? Parameter => _share?.Parameter;

    /// <summary>Axis of <see cref="Shape"/> that is divided over ranks; −1 for none.</summary>
    public int ShardAxis => _share?.Axis ?? -1;

    /// <summary>Where it is divided: this rank's ranges of the whole along <see cref="ShardAxis"/>, in the parameter's order.</summary>
    public IReadOnlyList<WeightRange> Ranges => _share?.Ranges ?? [];

    /// <summary>Where each of this rank's ranges goes in the parameter; one piece, the whole, where nothing is divided.</summary>
    public IEnumerable<WeightPiece> Pieces()
    {
        if (ShardAxis < 0)
        {
            yield return new WeightPiece(new WeightRange(0, Shape[0]), 0);
            yield break;
        }

        var target = 0L;
        foreach (var range in Ranges)
        {
            yield return new WeightPiece(range, target);
            target += range.Length;
        }
    }

    /// <summary>The part of the parameter that a piece fills; a view, the caller's.</summary>
    public Tensor View(WeightPiece piece)
    {
        var parameter = Parameter ?? throw new InvalidOperationException($"{Name} has no parameter: its layer has been replaced.");
        return parameter.Value.narrow(Math.Max(ShardAxis, 0), piece.Target, piece.Source.Length);
    }
}
