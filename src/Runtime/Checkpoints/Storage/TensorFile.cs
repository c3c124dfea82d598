namespace Generated.Checkpoints.Storage;

/// <summary>The tensors of one open file.</summary>
internal sealed class TensorFile : ITensorSource, IStridedSource
{
    private readonly MappedFile _file;
    private readonly OrderedDictionary<string, TensorInfo> _infos;
    private readonly Dictionary<string, StoredTensor> _stored;

    public TensorFile(MappedFile file, IEnumerable<StoredTensor> tensors, IReadOnlyDictionary<string, string> metadata)
    {
        _file = file;
        Metadata = metadata;
        _infos = new OrderedDictionary<string, TensorInfo>(StringComparer.Ordinal);
        _stored = new Dictionary<string, StoredTensor>(StringComparer.Ordinal);
        foreach (var tensor in tensors)
        {
            if (!_stored.TryAdd(tensor.Info.Name, tensor))
                throw new InvalidInputException($"{file.Path} holds tensor {Describe.Name(tensor.Info.Name)} twice.");
            _infos.Add(tensor.Info.Name, tensor.Info);
        }
    }

    public string Location => _file.Path;

    public IReadOnlyDictionary<string, TensorInfo> Tensors => _infos;

    public IReadOnlyDictionary<string, string> Metadata { get; }

    /// <summary>Paddle's parameter name by tensor name, where the file has them.</summary>
    public IReadOnlyDictionary<string, string> ParameterNames { get; init; } = new Dictionary<string, string>();

    public void Read(string name, TensorSlice slice, Span<byte> destination) => Find(name).Read(slice, destination);

    public void Read(string name, TensorSlice slice, int[] axes, Span<byte> destination) => Find(name).Read(slice, destination, axes);

    /// <summary>Takes the file's pages out of this process's memory.</summary>
    public void ForgetPages() => _file.ForgetPages();

    public void Dispose() => _file.Dispose();

    private StoredTensor Find(string name) =>
        _stored.TryGetValue(name, out var tensor) ? tensor : throw new InvalidInputException($"{Location} has no tensor {Describe.Name(name)}.");
}
