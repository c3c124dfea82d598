namespace Generated.Checkpoints.Views;

/// <summary>
/// How tensor-parallel ranks share a tensor: cut along an axis, each of its sections (q, k, v; gate, up) by itself, so that rank r holds
/// [q_r | k_r | v_r].
/// </summary>
/// <param name="Axis">The axis that is cut.</param>
/// <param name="Sections">Sizes of the sections in the whole tensor; none means one section.</param>
public sealed record TensorSplit(int Axis, params IReadOnlyList<long> Sections)
{
    /// <summary>A split into equal sections.</summary>
    /// <exception cref="InvalidInputException">The axis does not divide into them.</exception>
    public static TensorSplit Equal(TensorInfo whole, int axis, int sections) =>
        whole.Shape[axis] % sections == 0
            ? new TensorSplit(axis, [.. Enumerable.Repeat(whole.Shape[axis] / sections, sections)])
            : throw new InvalidInputException($"Axis {axis} of tensor {whole} does not divide into {sections} sections.");

    /// <summary>What rank <paramref name="rank"/> of <paramref name="ranks"/> holds.</summary>
    /// <exception cref="InvalidInputException">A section does not divide by the number of ranks.</exception>
    public TensorView Part(TensorView whole, int rank, int ranks)
    {
        var parts = new List<TensorView>();
        long start = 0;
        foreach (var size in SectionsOf(whole.Info))
        {
            parts.Add(whole.Narrow(Axis, start, size).Part(Axis, rank, ranks));
            start += size;
        }

        return TensorView.Concat(Axis, parts);
    }

    /// <summary>The whole tensor from what each rank holds.</summary>
    /// <exception cref="InvalidInputException">The parts do not fit together.</exception>
    public TensorView Merge(params IReadOnlyList<TensorView> parts)
    {
        if (Sections.Count <= 1)
            return TensorView.Concat(Axis, parts);
        var pieces = new List<TensorView>();
        long start = 0;
        foreach (var size in Sections)
        {
            if (size % parts.Count != 0)
                throw new InvalidInputException($"A section of {size} of tensor {parts[0].Info} does not divide by {parts.Count} ranks.");
            pieces.AddRange(parts.Select(part => part.Narrow(Axis, start, size / parts.Count)));
            start += size / parts.Count;
        }

        if (parts.Any(part => part.Info.Shape[Axis] != start))
            throw new InvalidInputException($"Sections of {Describe.Shape([.. Sections])} over {parts.Count} ranks do not make up tensor {parts[0].Info}.");
        return TensorView.Concat(Axis, pieces);
    }

    private IReadOnlyList<long> SectionsOf(TensorInfo whole)
    {
        if (Sections.Count == 0)
            return [whole.Shape[Axis]];
        if (Sections.Sum() != whole.Shape[Axis])
            throw new InvalidInputException($"Sections of {Describe.Shape([.. Sections])} do not make up axis {Axis} of tensor {whole}.");
        return Sections;
    }
}
