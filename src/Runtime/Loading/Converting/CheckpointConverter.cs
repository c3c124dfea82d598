using System.Globalization;
using Generated.Checkpoints;
using Generated.Checkpoints.Views;
using Generated.Checkpoints.Writing;
using TorchSharp;

namespace Generated.Loading.Converting;

/// <summary>
/// Writes a checkpoint's weights anew: every target tensor is a view of the source's, which the writer reads piece by piece, so that
/// memory holds a few pieces and never a shard.
/// </summary>
/// <param name="source">The source.</param>
/// <param name="options">Layout, format, type, ranks.</param>
internal sealed class CheckpointConverter(OpenCheckpoint source, SaveOptions options)
{
    /// <summary>Buffers of a Hugging Face file that Paddle has no place for (rotary frequencies, masks), kept beside Paddle's files for the way back.</summary>
    private const string BufferFile = "hf_buffers.safetensors";

    /// <summary>Bytes written between two times that the source's pages are let go.</summary>
    private const long MappedBytes = 16 << 20;

    /// <summary>Writes all files but those of the tokenizer.</summary>
    /// <param name="folder">An existing folder.</param>
    /// <param name="cancellation">Stops between two pieces.</param>
    /// <exception cref="InvalidInputException">The layout has no place for a tensor, or it cannot be divided over the ranks.</exception>
    public void Write(string folder, CancellationToken cancellation)
    {
        var target = new TargetTensors(source.Weights, source.Architecture, options.Layout, options.Dtype?.ToDType());
        using var kept = OpenBuffers();
        var files = Files(target, kept).ToList();
        var progress = new Share(source.Files, options.Progress, files.Sum(file => file.Tensors.Sum(tensor => (double)tensor.Info.ByteCount)));
        foreach (var (stem, tensors) in files)
        {
            using var views = new ViewSource(source.Directory, tensors);
            CheckpointWriter.Write(views, folder, Options(stem), progress, cancellation);
            progress.Next();
        }

        if (options.Layout == CheckpointLayout.Paddle)
            KeepBuffers(folder, target);
        new ConfigConversion(source.Architecture, source.Config, options).Write(folder, source.Reader, options.Dtype ?? source.Weights.Dtype);
    }

    private IEnumerable<(string? Stem, List<TensorView> Tensors)> Files(TargetTensors target, Checkpoint? kept)
    {
        if (options.TensorParallel == 1)
        {
            yield return (null, [.. target.Weights(), .. target.Buffers(), .. Restored(kept)]);
            yield break;
        }

        var ranks = RankLayout.Of(source.Architecture, source.Config, options.TensorParallel);
        for (var rank = 0; rank < options.TensorParallel; rank++)
            yield return (string.Create(CultureInfo.InvariantCulture, $"model_state.tp{rank:00}"), [.. target.Weights(ranks, rank), .. target.Buffers()]);
    }

    private CheckpointWriteOptions Options(string? stem) => new()
    {
        Format = options.Format,
        MaxShardBytes = stem is null ? options.MaxShardBytes : long.MaxValue,
        Metadata = new Dictionary<string, string> { ["format"] = options.Layout == CheckpointLayout.Paddle ? "np" : "pt" },
        ParameterNames = source.Files.Layout == options.Layout ? source.Files.ParameterNames : new Dictionary<string, string>(),
        FileStem = stem,
    };

    private Checkpoint? OpenBuffers()
    {
        var path = Path.Combine(source.Directory, BufferFile);
        return source.Files.Layout == CheckpointLayout.Paddle && File.Exists(path) ? Checkpoint.Open(path) : null;
    }

    /// <summary>Buffers that were kept beside Paddle's files; only those that the architecture knows.</summary>
    private IEnumerable<TensorView> Restored(Checkpoint? kept)
    {
        if (kept is null || options.Layout == CheckpointLayout.Paddle)
            return [];
        var known = new IgnoredNames(source.Architecture.Ignored, source.Architecture.OptionalPrefix);
        return kept.Tensors.Keys.Where(known.Contains).Select(name => TensorView.Of(kept, name));
    }

    private void KeepBuffers(string folder, TargetTensors target)
    {
        var path = Path.Combine(source.Directory, BufferFile);
        if (source.Files.Layout == CheckpointLayout.Paddle)
        {
            if (File.Exists(path))
                File.Copy(path, Path.Combine(folder, BufferFile));
            return;
        }

        var homeless = target.Homeless().ToList();
        if (homeless.Count == 0)
            return;
        using var views = new ViewSource(source.Directory, homeless);
        CheckpointWriter.Write(views, folder, new CheckpointWriteOptions { MaxShardBytes = long.MaxValue, FileStem = Path.GetFileNameWithoutExtension(BufferFile) });
    }

    /// <summary>Reports the share of all bytes and lets go of what was read.</summary>
    private sealed class Share(Checkpoint files, IProgress<double>? progress, double total) : IProgress<long>
    {
        private long _earlier;
        private long _now;
        private long _forgotten;

        public void Report(long value)
        {
            _now = value;
            if (_earlier + value - _forgotten >= MappedBytes)
            {
                files.ForgetPages();
                _forgotten = _earlier + value;
            }

            progress?.Report((_earlier + value) / total);
        }

        public void Next()
        {
            files.ForgetPages();
            (_earlier, _now) = (_earlier + _now, 0);
        }
    }
}
