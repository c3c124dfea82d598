using Generated.Architectures;
using Generated.Checkpoints;
using Generated.Configuration;
using Generated.Layers;
using Generated.Loading;
using TorchSharp;

namespace Generated.Cli.Inspection;

/// <summary>What can be said of a model without its weights.</summary>
internal sealed class ModelFacts
{
    private ModelFacts(string name, ArchitectureInfo architecture, object config)
    {
        Name = name;
        Architecture = architecture;
        Config = config;
        Structure = architecture.StructureOf(config);
        Tensors = [.. architecture.TensorsOf(config).Where(t => t.TiedTo is null)];
        Parameters = Tensors.Sum(t => t.Shape.Aggregate(1L, (a, b) => checked(a * b)));
        using var shapes = architecture.Create(config, new BuildOptions { Device = torch.META });
        CacheValuesPerToken = shapes.Context.CacheShapes.Sum(s => 2L * s.KvHeads * s.HeadDim);
        Blocks = shapes.AllBlocks.Count;
    }

    /// <summary>What was asked for: a folder, a file or a preset.</summary>
    public string Name { get; }

    public ArchitectureInfo Architecture { get; }

    public object Config { get; }

    public ModelStructure Structure { get; }

    /// <summary>The weights, a tied matrix once.</summary>
    public IReadOnlyList<TensorSpec> Tensors { get; }

    /// <summary>Number of weights.</summary>
    public long Parameters { get; }

    public int Blocks { get; }

    /// <summary>Numbers that the KV cache keeps per token.</summary>
    public long CacheValuesPerToken { get; }

    /// <summary>Keys of config.json that the architecture does not read.</summary>
    public IReadOnlyList<string> UnknownKeys { get; private init; } = [];

    /// <summary>What is known of the weights' files, or null where there are none.</summary>
    public string? Weights { get; private init; }

    /// <summary>The config in Hugging Face's keys.</summary>
    public ConfigWriter ConfigJson
    {
        get
        {
            var writer = new ConfigWriter();
            Architecture.WriteConfig(Config, writer);
            return writer;
        }
    }

    /// <summary>Finds a model: a checkpoint folder, a config file or a preset's name.</summary>
    /// <exception cref="InvalidInputException">There is none, or its config is unusable.</exception>
    public static ModelFacts Of(string target)
    {
        var found = ModelTarget.Find(target);
        string[] general = ["model_type", "architectures", "auto_map", "torch_dtype", "dtype", "transformers_version", "_name_or_path", QuantizedFormats.Key];
        return new ModelFacts(target, found.Architecture, found.Config)
        {
            UnknownKeys = [.. found.Reader?.UnknownKeys.Where(key => !general.Contains(key)) ?? []],
            Weights = Directory.Exists(target) ? DescribeWeights(target) : null,
        };
    }

    /// <summary>Reads names and shapes only.</summary>
    private static string DescribeWeights(string directory)
    {
        try
        {
            var info = ModelLoader.CheckWeights(directory);
            return $"complete: {info.Tensors} tensors, {Terminal.Bytes(info.Bytes)} as {info.Dtype} in {info.Files} {info.Format} file(s), {info.Layout} layout";
        }
        catch (InvalidInputException e)
        {
            return e.Message;
        }
    }
}
