using Generated.Checkpoints.Storage;

namespace Generated.Checkpoints;

/// <summary>
/// An open checkpoint: a folder or a file of one, of any supported format. The format and whose layout it has are found from the files.
/// Opening reads names and shapes only; tensor data is read on demand through the memory map.
/// </summary>
public sealed class Checkpoint : ITensorSource, IStridedSource
{
    private readonly OrderedDictionary<string, TensorInfo> _infos = new(StringComparer.Ordinal);
    private readonly Dictionary<string, TensorFile> _owners = new(StringComparer.Ordinal);
    private readonly List<TensorFile> _files;
    private readonly Dictionary<string, string> _parameterNames = new(StringComparer.Ordinal);
    private readonly SortedDictionary<string, string> _metadata = new(StringComparer.Ordinal);

    private Checkpoint(string location, CheckpointFormat format, List<TensorFile> files, IReadOnlyList<ITensorSource> ranks)
    {
        Location = location;
        Format = format;
        _files = files;
        Ranks = ranks.Count > 0 ? ranks : [this];
        foreach (var file in files)
        {
            foreach (var (key, value) in file.Metadata)
                _metadata.TryAdd(key, value);
            foreach (var (name, parameterName) in file.ParameterNames)
                _parameterNames.TryAdd(name, parameterName);
        }
    }

    /// <summary>The folder or file that was opened.</summary>
    public string Location { get; }

    /// <summary>How the tensors are stored.</summary>
    public CheckpointFormat Format { get; }

    /// <summary>Whose names and axes the tensors have.</summary>
    public CheckpointLayout Layout { get; private set; }

    /// <summary>What <see cref="Layout"/> was concluded from, as a phrase for messages.</summary>
    public string LayoutEvidence { get; private set; } = "";

    /// <summary>
    /// One source per tensor-parallel rank. Usually the checkpoint itself, alone; for <c>model_state.tp0X.pdparams</c> the ranks,
    /// whose tensors are parts: <see cref="Tensors"/> is then empty, and the weight map says how parts are joined.
    /// </summary>
    public IReadOnlyList<ITensorSource> Ranks { get; }

    /// <summary>Whether the tensors are split over several tensor-parallel ranks.</summary>
    public bool IsTensorParallel => Ranks.Count > 1;

    /// <summary>Paths of the files that hold the tensors.</summary>
    public IEnumerable<string> Files => _files.Select(file => file.Location);

    /// <inheritdoc/>
    public IReadOnlyDictionary<string, TensorInfo> Tensors => _infos;

    /// <inheritdoc/>
    public IReadOnlyDictionary<string, string> Metadata => _metadata;

    /// <summary>The framework's own parameter name by tensor name (<c>linear_0.w_0</c>), where a Paddle file has them.</summary>
    public IReadOnlyDictionary<string, string> ParameterNames => _parameterNames;

    /// <summary>Opens a checkpoint.</summary>
    /// <param name="path">
    /// A folder; or one of its files (a safetensors, bin or pdparams file, or an index), where the folder holds several checkpoints.
    /// In a folder the order of preference is model.safetensors, pytorch_model.bin, model_state.pdparams, each before its sharded form.
    /// </param>
    /// <exception cref="InvalidInputException">There is no checkpoint, or it is incomplete or damaged; the message names file and tensor.</exception>
    public static Checkpoint Open(string path)
    {
        var found = CheckpointFiles.Find(path);
        var files = new List<TensorFile>(found.Files.Count);
        try
        {
            CheckpointFormat? format = null;
            foreach (var file in found.Files)
            {
                files.Add(TensorFiles.Open(file, out var fileFormat));
                if (format is { } first && first != fileFormat)
                    throw new InvalidInputException($"{path} mixes {first} and {fileFormat} files ({file}).");
                format = fileFormat;
            }

            var checkpoint = new Checkpoint(path, format!.Value, files, found.AreRanks ? files : []);
            if (!found.AreRanks)
                checkpoint.Join(found.Index);
            (checkpoint.Layout, checkpoint.LayoutEvidence) = LayoutDetection.Detect(checkpoint);
            return checkpoint;
        }
        catch
        {
            files.ForEach(file => file.Dispose());
            throw;
        }
    }

    /// <inheritdoc/>
    public void Read(string name, TensorSlice slice, Span<byte> destination) => Find(name).Read(name, slice, destination);

    void IStridedSource.Read(string name, TensorSlice slice, int[] axes, Span<byte> destination) => Find(name).Read(name, slice, axes, destination);

    /// <summary>Takes what was read so far out of this process's memory; reading it again brings it back.</summary>
    internal void ForgetPages()
    {
        foreach (var file in _files)
            file.ForgetPages();
    }

    /// <inheritdoc/>
    public void Dispose() => _files.ForEach(file => file.Dispose());

    private TensorFile Find(string name)
    {
        if (_owners.TryGetValue(name, out var owner))
            return owner;
        throw new InvalidInputException(IsTensorParallel
            ? $"{Location} is split over {Ranks.Count} tensor-parallel ranks; read tensor {Describe.Name(name)} from its ranks."
            : $"{Location} has no tensor {Describe.Name(name)}.");
    }

    /// <summary>Gathers the tensors of all files; what an index says about a tensor has to be true, and decides between duplicates.</summary>
    private void Join(ShardIndex? index)
    {
        var byName = _files.ToDictionary(file => Path.GetFileName(file.Location), StringComparer.Ordinal);
        var missing = new List<string>();
        foreach (var (tensor, file) in index?.Files ?? new Dictionary<string, string>())
        {
            if (byName[file].Tensors.ContainsKey(tensor))
                _owners.Add(tensor, byName[file]);
            else
                missing.Add($"{tensor} in {file}");
        }

        if (missing.Count > 0)
            throw new InvalidInputException($"{index!.Path} lists tensors that its files do not hold: {Describe.Names(missing)}.");

        // Tensors that an index forgot are not dropped in silence: the model's coverage check reports what it does not know.
        foreach (var file in _files)
        {
            foreach (var (name, info) in file.Tensors)
            {
                if (!_owners.TryAdd(name, file) && _owners[name] != file && index?.Files.ContainsKey(name) != true)
                    throw new InvalidInputException($"{Location} holds tensor {Describe.Name(name)} in two files: {_owners[name].Location} and {file.Location}.");
                if (_owners[name] == file)
                    _infos.Add(name, info);
            }
        }
    }
}
