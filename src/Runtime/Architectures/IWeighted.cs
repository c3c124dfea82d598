using Generated.Layers;

namespace Generated.Architectures;

/// <summary>A layer with weights, as loading sees it.</summary>
public interface IWeighted
{
    /// <summary>A weight of the layer, or null where it has none of this kind (or keeps it in another form, as a quantized linear does).</summary>
    WeightShare? Share(TensorKind kind);
}

/// <summary>A parameter and the part of the whole weight that this rank holds in it.</summary>
/// <param name="Parameter">The parameter.</param>
public sealed record WeightShare(Parameter Parameter)
{
    /// <summary>Axis of the whole that is divided over ranks; −1 for none.</summary>
    public int Axis { get; init; } = -1;

    /// <summary>This rank's ranges of the whole along <see cref="Axis"/>, in the parameter's order; one or more where it is divided.</summary>
    public IReadOnlyList<WeightRange> Ranges { get; init; } = [];

    /// <summary>The share of a whole that is divided along an axis, or of one that is not (axis −1).</summary>
    internal static WeightShare Of(Parameter parameter, int axis, IReadOnlyList<Shard.Part> parts) =>
        axis < 0 ? new WeightShare(parameter) : new WeightShare(parameter) { Axis = axis, Ranges = [.. parts.Select(p => p.Range)] };
}
