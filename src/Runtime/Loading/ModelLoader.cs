using Generated.Architectures;
using Generated.Checkpoints;
using Generated.Configuration;
using Generated.Layers;
using Generated.Tokenization;
using TorchSharp;
using static TorchSharp.torch;

namespace Generated.Loading;

/// <summary>Loads checkpoint folders: config.json chooses the architecture, its generated weight map says what goes where.</summary>
public static class ModelLoader
{
    /// <summary>Elements read through the map before its pages are let go, so that file and weights are not in memory together.</summary>
    private const long MappedElements = 64 << 20;

    /// <summary>Loads a checkpoint folder.</summary>
    /// <param name="directory">
    /// Folder with config.json and weights in any supported format, Hugging Face's or Paddle's, tensor-parallel shards included: the format is
    /// detected. Where it holds several checkpoints, one of its files says which.
    /// </param>
    /// <param name="options">Type, device, group.</param>
    /// <param name="cancellation">Stops between two tensors.</param>
    /// <exception cref="InvalidInputException">The folder is incomplete, damaged or of an unknown architecture, or weights and config do not fit; the message says what.</exception>
    public static LoadedModel Load(string directory, LoadOptions? options = null, CancellationToken cancellation = default)
    {
        ArgumentException.ThrowIfNullOrEmpty(directory);
        options ??= new LoadOptions();
        var reader = ConfigReader.Load(OpenCheckpoint.FolderOf(directory));
        if (QuantizedFormats.Find(reader) is { } format)
            return format.Load(directory, reader, options, cancellation);
        using var open = OpenCheckpoint.Open(directory, options.Variant);
        open.Weights.CheckCopies();
        var model = open.Architecture.Create(open.Config, new BuildOptions
        {
            Dtype = options.Dtype ?? open.Weights.Dtype,
            Device = options.Device,
            TensorParallel = options.TensorParallel,
            Trainable = options.Trainable,
            SequenceParallel = options.SequenceParallel,
        });
        try
        {
            Fill(model, open.Weights, open.Files, options.Progress, cancellation);
            var (tokenizer, problem) = LoadTokenizer(open.Directory, model.Vocabulary());
            return new LoadedModel(open.Directory, model, open.Architecture, open.Reader)
            {
                Tokenizer = tokenizer,
                TokenizerProblem = problem,
                Variants = [.. OpenCheckpoint.Variants(open.Architecture, open.Reader, open.Config)],
            };
        }
        catch
        {
            model.Dispose();
            throw;
        }
    }

    /// <summary>The architecture that a config selects, and the config in its typed form, for whoever needs its weights as floats.</summary>
    /// <exception cref="InvalidInputException">The architecture is unknown, the config contradicts itself, or the weights are quantized.</exception>
    public static (ArchitectureInfo Architecture, object Config) ReadConfig(ConfigReader config)
    {
        ArgumentNullException.ThrowIfNull(config);
        if (config.Has(QuantizedFormats.Key))
            throw new InvalidInputException($"{config.Location}: '{QuantizedFormats.Key}' says that the weights are quantized already; this needs the checkpoint that they were quantized from.");
        return ReadAnyConfig(config);
    }

    /// <summary>The same whatever form the weights have.</summary>
    /// <exception cref="InvalidInputException">The architecture is unknown or the config contradicts itself.</exception>
    public static (ArchitectureInfo Architecture, object Config) ReadAnyConfig(ConfigReader config)
    {
        ArgumentNullException.ThrowIfNull(config);
        var architecture = ArchitectureRegistry.Find(config);
        var typed = architecture.ReadConfig(config);
        try
        {
            // Layers check what they are made of; without memory that costs nothing, and it comes before any file is opened.
            architecture.Create(typed, new BuildOptions { Device = torch.META }).Dispose();
        }
        catch (Exception e) when (e is InvalidInputException or OverflowException)
        {
            throw new InvalidInputException($"{config.Location} describes no {architecture.Name} that can be built: {e.Message}", e);
        }

        return (architecture, typed);
    }

    /// <summary>Checks that a folder's weights are exactly those of the model that its config describes, reading names and shapes only.</summary>
    /// <exception cref="InvalidInputException">They are not, or there is no checkpoint.</exception>
    public static WeightFiles CheckWeights(string directory)
    {
        var reader = ConfigReader.Load(directory);
        if (QuantizedFormats.Find(reader) is { } format)
            return format.Check(directory, reader);
        using var open = OpenCheckpoint.Open(directory);
        var tensors = open.Weights.File.Tensors.Values;
        return new WeightFiles(
            open.Files.Files.Count(), open.Files.Format, open.Files.Layout, open.Weights.File.Tensors.Count, tensors.Sum(t => t.ByteCount), open.Weights.Dtype);
    }

    /// <summary>Size of a model's vocabulary: rows of its token embedding.</summary>
    internal static int Vocabulary(this CausalModel model) => model.Weights().Select(slot => slot.Layer).OfType<Embedding>().First().Count;

    /// <summary>Fills every weight that is kept as floats.</summary>
    internal static void Fill(CausalModel model, WeightSource source, Checkpoint checkpoint, IProgress<double>? progress, CancellationToken cancellation)
    {
        var slots = model.Weights().Where(slot => slot.Parameter is not null && source.Stores(slot.Spec)).ToArray();
        var total = Math.Max(1, slots.Sum(slot => slot.Count));
        long done = 0, mapped = 0;
        foreach (var slot in slots)
        {
            cancellation.ThrowIfCancellationRequested();
            source.Fill(slot);
            done += slot.Count;
            if ((mapped += slot.Count) > MappedElements)
            {
                checkpoint.ForgetPages();
                mapped = 0;
            }

            progress?.Report((double)done / total);
        }

        checkpoint.ForgetPages();
    }

    /// <summary>A tokenizer is optional here; whoever needs one says why there is none.</summary>
    internal static (ITokenizer? Tokenizer, string? Problem) LoadTokenizer(string directory, int vocabulary)
    {
        try
        {
            var tokenizer = TokenizerLoader.Load(directory);
            TokenizerLoader.RequireFits(tokenizer, vocabulary, directory);
            return (tokenizer, null);
        }
        catch (InvalidInputException e)
        {
            return (null, e.Message);
        }
    }
}

/// <summary>The weights of a checkpoint folder, without their data.</summary>
/// <param name="Files">Number of files.</param>
/// <param name="Format">How tensors are stored.</param>
/// <param name="Layout">Whose names and axes they have.</param>
/// <param name="Tensors">Number of tensors.</param>
/// <param name="Bytes">Their bytes.</param>
/// <param name="Dtype">Type of the first weight.</param>
public sealed record WeightFiles(int Files, CheckpointFormat Format, CheckpointLayout Layout, int Tensors, long Bytes, ScalarType Dtype);
