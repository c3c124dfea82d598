namespace Generated.Checkpoints;

/// <summary>
/// Named tensors that are read on demand, in whole or in part. Names, dtypes and shapes are known without reading tensor data.
/// Reading from several threads at once is allowed; disposing while reading is not.
/// </summary>
public interface ITensorSource : IDisposable
{
    /// <summary>Where the tensors come from (a file or folder), for messages.</summary>
    string Location { get; }

    /// <summary>The tensors by name, enumerated in the order of the file.</summary>
    IReadOnlyDictionary<string, TensorInfo> Tensors { get; }

    /// <summary>Free-form text that came with the tensors, such as safetensors' <c>format</c>.</summary>
    IReadOnlyDictionary<string, string> Metadata { get; }

    /// <summary>Reads a part of a tensor, row-major and little-endian.</summary>
    /// <param name="name">A name of <see cref="Tensors"/>.</param>
    /// <param name="slice">The part to read, inside the tensor's shape.</param>
    /// <param name="destination">Exactly the bytes of the slice.</param>
    /// <exception cref="InvalidInputException">There is no tensor of that name.</exception>
    /// <exception cref="ArgumentException">The slice or the destination does not fit the tensor.</exception>
    void Read(string name, TensorSlice slice, Span<byte> destination);
}

/// <summary>Shorthands over <see cref="ITensorSource.Read"/>.</summary>
public static class TensorSourceExtensions
{
    /// <summary>The description of a tensor that has to be there.</summary>
    /// <exception cref="InvalidInputException">There is no tensor of that name.</exception>
    public static TensorInfo Info(this ITensorSource source, string name) =>
        source.Tensors.TryGetValue(name, out var info)
            ? info
            : throw new InvalidInputException($"{source.Location} has no tensor {Describe.Name(name)}.");

    /// <summary>Reads a whole tensor into <paramref name="destination"/>, row-major.</summary>
    public static void Read(this ITensorSource source, string name, Span<byte> destination) =>
        source.Read(name, TensorSlice.All(source.Info(name)), destination);

    /// <summary>Reads <paramref name="count"/> rows (indices of the first axis) from <paramref name="first"/>.</summary>
    public static void ReadRows(this ITensorSource source, string name, long first, long count, Span<byte> destination) =>
        source.Read(name, TensorSlice.Along(source.Info(name), 0, first, count), destination);

    /// <summary>Reads a whole tensor into a new array, row-major. For tensors below 2 GB.</summary>
    public static byte[] ReadBytes(this ITensorSource source, string name)
    {
        var info = source.Info(name);
        if (info.ByteCount > Array.MaxLength)
            throw new InvalidInputException($"Tensor {info} of {source.Location} is too large for one array; read it in slices.");
        var bytes = GC.AllocateUninitializedArray<byte>((int)info.ByteCount);
        source.Read(name, TensorSlice.All(info), bytes);
        return bytes;
    }
}
