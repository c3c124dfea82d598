using System.Buffers;
using System.Collections.Concurrent;
using System.Runtime.ExceptionServices;
using Generated.Checkpoints.Paddle;
using Generated.Checkpoints.Safetensors;

namespace Generated.Checkpoints.Writing;

/// <summary>What to write.</summary>
public sealed record CheckpointWriteOptions
{
    /// <summary>safetensors (default) or paddle.save's pickle.</summary>
    public CheckpointFormat Format { get; init; } = CheckpointFormat.Safetensors;

    /// <summary>Most tensor bytes of one file; default 5 GB, as transformers.</summary>
    public long MaxShardBytes { get; init; } = 5_000_000_000;

    /// <summary>safetensors metadata; <c>format</c> is 'pt' for Hugging Face's layout and 'np' for Paddle's, in which bfloat16 is stored as U16.</summary>
    public IReadOnlyDictionary<string, string> Metadata { get; init; } = new Dictionary<string, string> { ["format"] = "pt" };

    /// <summary>Paddle's own parameter names (<c>linear_0.w_0</c>) by tensor name, for paddle.save's table; where absent, the tensor's name.</summary>
    public IReadOnlyDictionary<string, string> ParameterNames { get; init; } = new Dictionary<string, string>();

    /// <summary>Name of the files without number and extension; by default <c>model</c>, or <c>model_state</c> for paddle.save.</summary>
    public string? FileStem { get; init; }
}

/// <summary>
/// Writes the tensor files of a checkpoint as a stream: names, dtypes and shapes first, then the data of the tensors, in any order and
/// in pieces of any size. Nothing has its final name before <see cref="Complete"/>; disposing before that leaves the folder as it was.
/// Equal content gives equal bytes.
/// </summary>
public sealed class CheckpointWriter : IDisposable
{
    private const int PieceBytes = 4 << 20;
    private const int MostThreads = 8;

    private readonly string _folder;
    private readonly IReadOnlyList<ShardPlan.Shard> _shards;
    private readonly string _indexName;
    private readonly List<AtomicFile> _files = [];
    private readonly Dictionary<string, Target> _targets = new(StringComparer.Ordinal);
    private bool _completed;

    private CheckpointWriter(string folder, IReadOnlyList<ShardPlan.Shard> shards, string indexName)
    {
        _folder = folder;
        _shards = shards;
        _indexName = indexName;
    }

    /// <summary>Paths of the tensor files, and of the index where there are several.</summary>
    public IEnumerable<string> Files =>
        (_shards.Count > 1 ? _shards.Select(shard => shard.FileName).Append(_indexName) : _shards.Select(shard => shard.FileName))
        .Select(name => Path.Combine(_folder, name));

    /// <summary>Plans the files and starts them.</summary>
    /// <param name="folder">An existing folder.</param>
    /// <param name="tensors">All tensors, in the order in which they are spread over files.</param>
    /// <param name="options">Format, shard size, metadata.</param>
    /// <exception cref="InvalidInputException">A name appears twice or a dtype does not exist in the format.</exception>
    /// <exception cref="GeneratedException">The folder cannot be written.</exception>
    public static CheckpointWriter Create(string folder, IEnumerable<TensorInfo> tensors, CheckpointWriteOptions? options = null)
    {
        options ??= new CheckpointWriteOptions();
        var (stem, extension) = options.Format switch
        {
            CheckpointFormat.Safetensors => ("model", ".safetensors"),
            CheckpointFormat.PaddlePickle => ("model_state", ".pdparams"),
            _ => throw new ArgumentException($"{options.Format} cannot be written.", nameof(options)),
        };
        stem = options.FileStem ?? stem;
        var shards = ShardPlan.Cut(tensors, options.MaxShardBytes, stem, extension);
        var writer = new CheckpointWriter(folder, shards, $"{stem}{extension}.index.json");
        try
        {
            foreach (var shard in shards)
            {
                writer.Start(
                    Path.Combine(folder, shard.FileName),
                    options.Format == CheckpointFormat.PaddlePickle
                        ? PaddleLayout.Create(shard.Tensors, options.ParameterNames)
                        : SafetensorsLayout.Create(shard.Tensors, options.Metadata));
            }
        }
        catch
        {
            writer.Dispose();
            throw;
        }

        return writer;
    }

    /// <summary>Copies all tensors of a source, <see cref="Create"/> and <see cref="Complete"/> included.</summary>
    /// <param name="source">Read in pieces of a few MB, by several threads.</param>
    /// <param name="folder">An existing folder.</param>
    /// <param name="options">Format, shard size, metadata.</param>
    /// <param name="progress">Told the bytes written so far.</param>
    /// <param name="cancellation">Stops between pieces; the folder stays as it was.</param>
    public static void Write(
        ITensorSource source,
        string folder,
        CheckpointWriteOptions? options = null,
        IProgress<long>? progress = null,
        CancellationToken cancellation = default)
    {
        using var writer = Create(folder, source.Tensors.Values, options);
        writer.Append(source, progress, cancellation);
        writer.Complete();
    }

    /// <summary>Appends the next bytes (row-major, little-endian) of a tensor.</summary>
    /// <exception cref="ArgumentException">The tensor was not announced, or is full.</exception>
    public void Append(string name, ReadOnlySpan<byte> bytes)
    {
        if (!_targets.TryGetValue(name, out var target))
            throw new ArgumentException($"Tensor {Describe.Name(name)} was not announced to the writer.", nameof(name));
        if (bytes.Length > target.Info.ByteCount - target.Written)
            throw new ArgumentException($"Tensor {target.Info} gets more than its {target.Info.ByteCount} bytes.", nameof(bytes));
        target.File.Write(target.Offset + target.Written, bytes);
        target.Written += bytes.Length;
    }

    /// <summary>
    /// Appends every tensor that both the plan and <paramref name="source"/> have, in pieces of a few MB on all processors:
    /// what takes time is transposing and converting.
    /// </summary>
    /// <exception cref="InvalidInputException">The source holds another dtype or size than was announced.</exception>
    public void Append(ITensorSource source, IProgress<long>? progress = null, CancellationToken cancellation = default)
    {
        var targets = new List<Target>();
        foreach (var target in _targets.Values.Where(target => source.Tensors.ContainsKey(target.Info.Name)))
        {
            var stored = source.Tensors[target.Info.Name];
            if (stored.DType != target.Info.DType || stored.ByteCount != target.Info.ByteCount)
                throw new InvalidInputException($"{source.Location} holds tensor {stored}, but {target.Info} was to be written.");
            if (target.Written > 0)
                throw new InvalidOperationException($"Tensor {target.Info} is written already, in whole or in part.");
            targets.Add(target);
        }

        long total = 0;
        var options = new ParallelOptions { CancellationToken = cancellation, MaxDegreeOfParallelism = Math.Min(Environment.ProcessorCount, MostThreads) };
        try
        {
            System.Threading.Tasks.Parallel.ForEach(Partitioner.Create(targets.SelectMany(target => Pieces(source, target)), EnumerablePartitionerOptions.NoBuffering), options, Copy);
        }
        catch (AggregateException e)
        {
            ExceptionDispatchInfo.Throw(e.InnerExceptions[0]);
        }

        foreach (var target in targets)
            target.Written = target.Info.ByteCount;

        void Copy((Target Target, TensorSlice Slice, long Offset) piece)
        {
            var length = checked((int)(piece.Slice.ElementCount * piece.Target.Info.DType.Size()));
            var buffer = ArrayPool<byte>.Shared.Rent(length);
            try
            {
                source.Read(piece.Target.Info.Name, piece.Slice, buffer.AsSpan(0, length));
                piece.Target.File.Write(piece.Target.Offset + piece.Offset, buffer.AsSpan(0, length));
            }
            finally
            {
                ArrayPool<byte>.Shared.Return(buffer);
            }

            if (progress is null)
                return;
            lock (progress)
                progress.Report(total += length);
        }
    }

    private static IEnumerable<(Target Target, TensorSlice Slice, long Offset)> Pieces(ITensorSource source, Target target)
    {
        long offset = 0;
        var size = target.Info.DType.Size();
        foreach (var slice in TensorSlice.All(source.Tensors[target.Info.Name]).Chunks(PieceBytes / size))
        {
            yield return (target, slice, offset);
            offset += slice.ElementCount * size;
        }
    }

    /// <summary>Checks that every tensor is whole, flushes the files and gives them their names, the index last.</summary>
    /// <exception cref="InvalidOperationException">A tensor lacks bytes.</exception>
    public void Complete()
    {
        var missing = _targets.Values.Where(target => target.Written < target.Info.ByteCount).Select(target => target.Info.Name).ToList();
        if (missing.Count > 0)
            throw new InvalidOperationException($"Not all bytes were written of {Describe.Names(missing)}.");
        _files.ForEach(file => file.Flush());
        _files.ForEach(file => file.Commit());
        if (_shards.Count > 1)
            AtomicFile.WriteAllBytes(Path.Combine(_folder, _indexName), ShardPlan.Index(_shards));
        _completed = true;
    }

    /// <summary>Without <see cref="Complete"/>, removes what was written.</summary>
    public void Dispose()
    {
        if (!_completed)
            _files.ForEach(file => file.Dispose());
    }

    private void Start(string path, FileLayout layout)
    {
        var file = new AtomicFile(path, layout.Length);
        _files.Add(file);
        foreach (var (offset, bytes) in layout.Fixed)
            file.Write(offset, bytes.Span);
        foreach (var (name, (info, offset)) in layout.Tensors)
        {
            if (!_targets.TryAdd(name, new Target(info, file, offset)))
                throw new InvalidInputException($"Tensor {Describe.Name(name)} would be written twice.");
        }
    }

    private sealed class Target(TensorInfo info, AtomicFile file, long offset)
    {
        public TensorInfo Info => info;

        public AtomicFile File => file;

        public long Offset => offset;

        public long Written { get; set; }
    }
}
