using Generated.Architectures;
using Generated.Checkpoints;
using Generated.Layers;

namespace Generated.Loading;

/// <summary>A tensor of a checkpoint file that holds a weight, or consecutive rows (output features) of one.</summary>
/// <param name="Name">Name in the file.</param>
/// <param name="Shape">Shape in the file.</param>
/// <param name="Rows">Rows of the whole weight that it holds.</param>
/// <param name="IsTransposed">Whether the file has it as [in, out].</param>
internal sealed record FileTensor(string Name, IReadOnlyList<long> Shape, WeightRange Rows, bool IsTransposed)
{
    /// <summary>The tensors that a layout's files have for a weight, in order of rows; none where the layout does not store it.</summary>
    public static IReadOnlyList<FileTensor> Of(TensorSpec spec, CheckpointLayout layout)
    {
        if (layout == CheckpointLayout.HuggingFace)
            return [Create(spec, spec.Name, new WeightRange(0, spec.Shape[0]), spec.StoredInOut)];
        var isTransposed = spec.PaddleLayout == PaddleLayout.Transposed;
        if (spec.PaddleSections.Count == 0)
            return spec.Paddle is { } name ? [Create(spec, name, new WeightRange(0, spec.Shape[0]), isTransposed)] : [];

        // One tensor per section of the output; in a grouped output a section's rows would not be consecutive.
        if (spec.Sections is not { } sections || sections.Groups > 1 || sections.Widths.Count != spec.PaddleSections.Count)
            throw new InvalidOperationException($"{spec.Name} has Paddle sections that its own output does not have.");
        var tensors = new List<FileTensor>();
        long start = 0;
        for (var i = 0; i < sections.Widths.Count; i++)
        {
            tensors.Add(Create(spec, spec.PaddleSections[i], new WeightRange(start, sections.Widths[i]), isTransposed));
            start += sections.Widths[i];
        }

        return tensors;
    }

    private static FileTensor Create(TensorSpec spec, string name, WeightRange rows, bool isTransposed)
    {
        isTransposed &= spec.Shape.Count == 2;
        IReadOnlyList<long> shape = spec.Shape.Count == 2
            ? isTransposed ? [spec.Shape[1], rows.Length] : [rows.Length, spec.Shape[1]]
            : [rows.Length];
        return new FileTensor(name, shape, rows, isTransposed);
    }
}
