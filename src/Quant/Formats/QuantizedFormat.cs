using Generated.Architectures;
using Generated.Checkpoints;
using Generated.Configuration;
using Generated.Layers;
using Generated.Loading;
using static TorchSharp.torch;

namespace Generated.Quant.Formats;

/// <summary>What a quantized checkpoint has in place of an architecture's plain weights.</summary>
internal interface IQuantizedContent
{
    /// <summary>The plain tensor that is stored for a weight; null where it is stored otherwise.</summary>
    TensorSpec? Plain(TensorSpec spec);

    /// <summary>Reports every tensor that is missing or wrong, and gives the names of those that are known.</summary>
    IEnumerable<string> Check(ITensorSource file, CoverageReport problems);

    /// <summary>Puts the quantized layers into a model built without matrices.</summary>
    void PutInto(ITensorSource file, Action<double> progress, Action forget, CancellationToken cancellation);
}

/// <summary>Loads a checkpoint of packed weights: the model is built without matrices, packed layers take their places, and only what is left gets memory.</summary>
internal abstract class QuantizedFormat : IQuantizedFormat
{
    public abstract string Method { get; }

    public LoadedModel Load(string directory, ConfigReader config, LoadOptions options, CancellationToken cancellation)
    {
        var (architecture, typed) = ModelLoader.ReadAnyConfig(config);
        using var checkpoint = Checkpoint.Open(directory);
        var model = architecture.Create(typed, new BuildOptions
        {
            Dtype = options.Dtype ?? TypeOf(config),
            Device = options.Device,
            TensorParallel = options.TensorParallel,
            Trainable = options.Trainable,
            DeferMatrices = true,
        });
        try
        {
            var content = Describe(config, model, checkpoint);
            var source = Cover(content, checkpoint, architecture, typed);
            content.PutInto(checkpoint, share => options.Progress?.Report(share * 0.8), checkpoint.ForgetPages, cancellation);
            model.AllocateMatrices();
            ModelLoader.Fill(model, source, checkpoint, options.Progress is { } progress ? new Rest(progress) : null, cancellation);
            var (tokenizer, problem) = ModelLoader.LoadTokenizer(directory, model.Vocabulary());
            return new LoadedModel(directory, model, architecture, config) { Tokenizer = tokenizer, TokenizerProblem = problem };
        }
        catch
        {
            model.Dispose();
            throw;
        }
    }

    public WeightFiles Check(string directory, ConfigReader config)
    {
        var (architecture, typed) = ModelLoader.ReadAnyConfig(config);
        using var checkpoint = Checkpoint.Open(directory);
        using var model = architecture.Create(typed, new BuildOptions { Device = META });
        Cover(Describe(config, model, checkpoint), checkpoint, architecture, typed);
        return new WeightFiles(
            checkpoint.Files.Count(), checkpoint.Format, checkpoint.Layout, checkpoint.Tensors.Count, checkpoint.Tensors.Values.Sum(t => t.ByteCount), TypeOf(config));
    }

    /// <summary>What a config says that the checkpoint has.</summary>
    /// <exception cref="InvalidInputException">It is impossible or not supported.</exception>
    protected abstract IQuantizedContent Describe(ConfigReader config, CausalModel model, ITensorSource file);

    private static WeightSource Cover(IQuantizedContent content, Checkpoint checkpoint, ArchitectureInfo architecture, object config)
    {
        var problems = new CoverageReport(checkpoint.Location);
        var known = content.Check(checkpoint, problems).ToList();
        return new WeightSource(
            checkpoint, checkpoint.Layout, architecture, [.. architecture.TensorsOf(config).Select(content.Plain).OfType<TensorSpec>()], problems, known);
    }

    private static ScalarType TypeOf(ConfigReader config) => config.StringOr(null, "torch_dtype", "dtype") switch
    {
        "bfloat16" => ScalarType.BFloat16,
        "float16" => ScalarType.Float16,
        _ => ScalarType.Float32,
    };

    /// <summary>The last fifth of the progress.</summary>
    private sealed class Rest(IProgress<double> whole) : IProgress<double>
    {
        public void Report(double value) => whole.Report(0.8 + 0.2 * value);
    }
}
