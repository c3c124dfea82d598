using System.Globalization;

namespace Generated.Checkpoints;

/// <summary>Name, element type and shape of a stored tensor. Every instance has an element and byte count that fit a <see cref="long"/>.</summary>
public sealed class TensorInfo
{
    /// <summary>Describes a tensor.</summary>
    /// <param name="name">Name inside the checkpoint.</param>
    /// <param name="dtype">Element type.</param>
    /// <param name="shape">Sizes, outermost first; empty for a scalar.</param>
    /// <exception cref="InvalidInputException">A size is negative or the tensor is larger than 2^63 bytes.</exception>
    public TensorInfo(string name, DType dtype, params ReadOnlySpan<long> shape)
        : this(name, dtype, shape, null)
    {
    }

    private TensorInfo(string name, DType dtype, ReadOnlySpan<long> shape, string? location)
    {
        Name = name;
        DType = dtype;
        Shape = shape.ToArray();
        long count = 1;
        foreach (var size in shape)
        {
            if (size < 0 || (size != 0 && count > long.MaxValue / dtype.Size() / size))
            {
                var where = location is null ? "" : $"{location}: ";
                throw new InvalidInputException($"{where}tensor {Describe.Name(name)} has an impossible shape {Describe.Shape(shape)}.");
            }

            count *= size;
        }

        ElementCount = count;
    }

    /// <summary>Name inside the checkpoint.</summary>
    public string Name { get; }

    /// <summary>Element type.</summary>
    public DType DType { get; }

    /// <summary>Sizes, outermost first; empty for a scalar.</summary>
    public IReadOnlyList<long> Shape { get; }

    /// <summary>Number of elements.</summary>
    public long ElementCount { get; }

    /// <summary>Number of bytes of the tensor in row-major order.</summary>
    public long ByteCount => ElementCount * DType.Size();

    /// <summary>Describes a tensor of a file, which the message names if the shape is impossible.</summary>
    internal static TensorInfo Of(string location, string name, DType dtype, ReadOnlySpan<long> shape) => new(name, dtype, shape, location);

    /// <summary>The same tensor under another name.</summary>
    public TensorInfo Rename(string name) => new(name, DType, [.. Shape]);

    /// <summary>The name, dtype and shape as one phrase, for messages.</summary>
    public override string ToString() =>
        string.Create(CultureInfo.InvariantCulture, $"{Describe.Name(Name)} {DType.SafetensorsName()} {Describe.Shape([.. Shape])}");
}
