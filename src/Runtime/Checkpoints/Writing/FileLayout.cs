namespace Generated.Checkpoints.Writing;

/// <summary>
/// Where everything of a tensor file goes, known before any tensor data is: fixed bytes (headers, opcodes) with holes for the tensors.
/// Formats are functions from a plan to this; one writer fills the holes.
/// </summary>
internal sealed class FileLayout
{
    private readonly List<(long Offset, ReadOnlyMemory<byte> Bytes)> _fixed = [];
    private readonly OrderedDictionary<string, (TensorInfo Info, long Offset)> _tensors = new(StringComparer.Ordinal);

    /// <summary>Length of the file so far.</summary>
    public long Length { get; private set; }

    /// <summary>The bytes that do not depend on tensor data, by offset.</summary>
    public IReadOnlyList<(long Offset, ReadOnlyMemory<byte> Bytes)> Fixed => _fixed;

    /// <summary>The tensors and the offset of each one's data.</summary>
    public IReadOnlyDictionary<string, (TensorInfo Info, long Offset)> Tensors => _tensors;

    public void Append(ReadOnlyMemory<byte> bytes)
    {
        if (bytes.Length > 0)
            _fixed.Add((Length, bytes));
        Length += bytes.Length;
    }

    /// <exception cref="InvalidInputException">The name was there before.</exception>
    public void Append(TensorInfo tensor)
    {
        if (!_tensors.TryAdd(tensor.Name, (tensor, Length)))
            throw new InvalidInputException($"Tensor {Describe.Name(tensor.Name)} would be written twice.");
        Length += tensor.ByteCount;
    }
}
