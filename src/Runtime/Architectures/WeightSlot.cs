using Generated.Layers;
using static TorchSharp.torch;

namespace Generated.Architectures;

/// <summary>What a checkpoint tensor is to the model.</summary>
public enum WeightKind
{
    /// <summary>It is in the file and fills a parameter.</summary>
    Stored,

    /// <summary>It is the same matrix as another slot's: files may lack it, and where they have it, it must be equal.</summary>
    Tied,

    /// <summary>It may be in the file and is not used.</summary>
    Ignored,
}

/// <summary>A tensor of a Paddle checkpoint that holds a weight or consecutive rows of it.</summary>
/// <param name="Name">Name in the file.</param>
/// <param name="IsTransposed">Whether the file has it as [in, out].</param>
/// <param name="Start">First row (output feature) of the weight that it holds.</param>
/// <param name="Length">Number of rows.</param>
public sealed record PaddleTensor(string Name, bool IsTransposed, long Start, long Length);

/// <summary>A place in a parameter and the part of the whole weight that belongs there.</summary>
/// <param name="Source">Range of the whole weight along <see cref="WeightSlot.ShardAxis"/>.</param>
/// <param name="Target">First index in the parameter along the same axis.</param>
public readonly record struct WeightPiece(WeightRange Source, long Target);

/// <summary>One tensor of a checkpoint: its names, its shape, and the parameter (or this rank's part) that it fills.</summary>
public sealed class WeightSlot
{
    internal WeightSlot(WeightKind kind, string name, Parameter? parameter, IReadOnlyList<long> shape)
    {
        Kind = kind;
        Name = name;
        Parameter = parameter;
        Shape = shape;
    }

    /// <summary>What it is to the model.</summary>
    public WeightKind Kind { get; }

    /// <summary>Name in Hugging Face's files.</summary>
    public string Name { get; }

    /// <summary>The weight it fills; null where it is ignored.</summary>
    public Parameter? Parameter { get; }

    /// <summary>Shape of the whole weight in the parameter's layout ([out, in] for a linear), over all ranks; empty where it is ignored.</summary>
    public IReadOnlyList<long> Shape { get; }

    /// <summary>Whether Hugging Face's file has it as [in, out].</summary>
    public bool IsTransposed { get; init; }

    /// <summary>The tensors of a Paddle checkpoint that hold it, in order of rows; empty where there is no counterpart.</summary>
    public IReadOnlyList<PaddleTensor> Paddle { get; init; } = [];

    /// <summary>Name of the slot with the same matrix, for <see cref="WeightKind.Tied"/>.</summary>
    public string? TiedTo { get; init; }

    /// <summary>Axis of <see cref="Shape"/> that is divided over ranks; −1 for none.</summary>
    public int ShardAxis { get; init; } = -1;

    /// <summary>Where it is divided: this rank's ranges of the whole along <see cref="ShardAxis"/>, in the parameter's order. One or more.</summary>
    public IReadOnlyList<WeightRange> Ranges { get; init; } = [];

    /// <summary>Shape in Hugging Face's file.</summary>
    public IReadOnlyList<long> FileShape => IsTransposed ? [Shape[1], Shape[0]] : Shape;

    /// <summary>Number of elements of the whole weight.</summary>
    public long Count => Shape.Aggregate(1L, (count, size) => count * size);

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
        var axis = Math.Max(ShardAxis, 0);
        return (Parameter ?? throw new InvalidOperationException($"{Name} is ignored and has no parameter.")).Value.narrow(axis, piece.Target, piece.Source.Length);
    }

    /// <summary>A tensor that files may have and that is not used.</summary>
    /// <param name="name">Its name; Paddle's files may have it too.</param>
    public static WeightSlot Ignored(string name) => new(WeightKind.Ignored, name, null, []);
}
