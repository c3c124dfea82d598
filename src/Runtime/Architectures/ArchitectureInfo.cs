using Generated.Configuration;
using Generated.Layers;

namespace Generated.Architectures;

/// <summary>A generated model class, as the registry sees it.</summary>
/// <typeparam name="T">The model class.</typeparam>
public interface IArchitecture<T> where T : CausalModel
{
    /// <summary>What the registry needs to create it.</summary>
    static abstract ArchitectureInfo Architecture { get; }
}

/// <summary>A preset of a published size.</summary>
/// <param name="Name">Name on the command line.</param>
/// <param name="Config">Makes its config.</param>
/// <param name="TensorParallel">Degrees it is meant to run at.</param>
public sealed record Preset(string Name, Func<object> Config, IReadOnlyList<int> TensorParallel);

/// <summary>Another reading of the same files: one key of the config with another value.</summary>
/// <param name="Name">Name on the command line; recorded values of it are <c>alt.NAME.*</c>.</param>
/// <param name="Key">Key of config.json.</param>
/// <param name="Json">Its value.</param>
public sealed record ConfigVariant(string Name, string Key, string Json);

/// <summary>An architecture: how a config.json selects it and how it is created.</summary>
public sealed record ArchitectureInfo
{
    /// <summary>Name of the model class.</summary>
    public required string Name { get; init; }

    /// <summary>The <c>model_type</c> that selects it.</summary>
    public required string ModelType { get; init; }

    /// <summary>Class names under <c>architectures</c> or <c>auto_map</c> that select it.</summary>
    public IReadOnlyList<string> Architectures { get; init; } = [];

    /// <summary>A component that files may lack in front of every name.</summary>
    public string? OptionalPrefix { get; init; }

    /// <summary>A key that config.json must have, where two architectures share a <c>model_type</c>.</summary>
    public string? RequiredKey { get; init; }

    /// <summary>The <c>model_type</c> of Paddle's config, where it differs.</summary>
    public string? PaddleModelType { get; init; }

    /// <summary>Class names that Paddle's config gives.</summary>
    public IReadOnlyList<string> PaddleArchitectures { get; init; } = [];

    /// <summary>Published sizes.</summary>
    public IReadOnlyList<Preset> Presets { get; init; } = [];

    /// <summary>Reads a config.</summary>
    public required Func<ConfigReader, object> ReadConfig { get; init; }

    /// <summary>Writes a config in Hugging Face's keys.</summary>
    public required Action<object, ConfigWriter> WriteConfig { get; init; }

    /// <summary>The derived structure for a config, without building.</summary>
    public required Func<object, ModelStructure> StructureOf { get; init; }

    /// <summary>Every checkpoint tensor for a config, without building.</summary>
    public required Func<object, IEnumerable<TensorSpec>> TensorsOf { get; init; }

    /// <summary>Full names of tensors that files may have and that are not used; <c>{i}</c> stands for a block's index.</summary>
    public IReadOnlyList<string> Ignored { get; init; } = [];

    /// <summary>Paddle's names of those of <see cref="Ignored"/> that Paddle's files hold too.</summary>
    public IReadOnlyDictionary<string, string> IgnoredInPaddle { get; init; } = new Dictionary<string, string>();

    /// <summary>Other readings of the same files, by name.</summary>
    public IReadOnlyList<ConfigVariant> Variants { get; init; } = [];

    /// <summary>Creates the model with uninitialised weights.</summary>
    public required Func<object, BuildOptions, CausalModel> Create { get; init; }
}
