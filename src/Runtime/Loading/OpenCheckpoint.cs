using Generated.Architectures;
using Generated.Checkpoints;
using Generated.Configuration;
using Generated.Loading.Converting;

namespace Generated.Loading;

/// <summary>A checkpoint folder, opened and checked against the model that its config describes; no weight is read yet.</summary>
internal sealed class OpenCheckpoint : IDisposable
{
    private OpenCheckpoint(string directory, ConfigReader reader, ArchitectureInfo architecture, object config, Checkpoint files)
    {
        (Directory, Reader, Architecture, Config, Files) = (directory, reader, architecture, config, files);
        Weights = new WeightSource(Whole(), files.Layout, architecture, config);

        ITensorSource Whole() =>
            files.IsTensorParallel ? RankMerge.Whole(files, architecture, config)
            : files.Layout == CheckpointLayout.Paddle ? PaddleFusion.Split(files, architecture, config)
            : files;
    }

    /// <summary>The folder.</summary>
    public string Directory { get; }

    /// <summary>Its config.json, read as its weights say: Paddle's or Hugging Face's.</summary>
    public ConfigReader Reader { get; }

    /// <summary>The architecture.</summary>
    public ArchitectureInfo Architecture { get; }

    /// <summary>The typed config.</summary>
    public object Config { get; }

    /// <summary>The files; where they are tensor-parallel ranks, <see cref="Weights"/> joins them.</summary>
    public Checkpoint Files { get; }

    /// <summary>The weights.</summary>
    public WeightSource Weights { get; }

    /// <summary>Opens a folder.</summary>
    /// <param name="path">Folder with config.json and weights in any supported format; or one of its files, where it holds several checkpoints.</param>
    /// <param name="variant">Name of one of the architecture's other readings of the same files, or null.</param>
    /// <exception cref="InvalidInputException">The folder is incomplete or damaged, or weights and config do not fit.</exception>
    public static OpenCheckpoint Open(string path, string? variant = null)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        var directory = FolderOf(path);
        var reader = ConfigReader.Load(directory);
        var (architecture, config) = ModelLoader.ReadConfig(reader);
        var files = Checkpoint.Open(path);
        try
        {
            if (variant is not null || reader.IsPaddle != (files.Layout == CheckpointLayout.Paddle))
            {
                reader = reader.From(files.Layout);
                if (variant is not null)
                    reader = Apply(Find(architecture, variant), reader);
                (architecture, config) = ModelLoader.ReadConfig(reader);
            }

            return new OpenCheckpoint(directory, reader, architecture, config, files);
        }
        catch
        {
            files.Dispose();
            throw;
        }
    }

    /// <summary>The folder of a checkpoint that is given by it or by one of its files.</summary>
    public static string FolderOf(string path) => File.Exists(path) ? Path.GetDirectoryName(Path.GetFullPath(path))! : path;

    /// <summary>The named readings that a config is, and that are not what Hugging Face's files mean anyway.</summary>
    public static IEnumerable<string> Variants(ArchitectureInfo architecture, ConfigReader reader, object config) =>
        from variant in architecture.Variants
        let usual = architecture.ReadConfig(reader.From(CheckpointLayout.HuggingFace).With(variant.Key, "null"))
        where Value(architecture, config, variant.Key) == variant.Json && Value(architecture, usual, variant.Key) != variant.Json
        select variant.Name;

    /// <inheritdoc/>
    public void Dispose() => Files.Dispose();

    private static ConfigReader Apply(ConfigVariant variant, ConfigReader reader) => reader.With(variant.Key, variant.Json);

    private static string? Value(ArchitectureInfo architecture, object config, string key)
    {
        var writer = new ConfigWriter();
        architecture.WriteConfig(config, writer);
        return writer.Value(key);
    }

    private static ConfigVariant Find(ArchitectureInfo architecture, string name) =>
        architecture.Variants.FirstOrDefault(v => v.Name == name)
        ?? throw new InvalidInputException(architecture.Variants.Count == 0
            ? $"{architecture.Name} has no variants, so none is called '{name}'."
            : $"{architecture.Name} has no variant '{name}': it has {string.Join(", ", architecture.Variants.Select(v => v.Name))}.");
}
