using Generated.Architectures;
using Generated.Configuration;
using Generated.Loading;

namespace Generated.Cli.Inspection;

/// <summary>A model named on the command line: a checkpoint folder, a config file, or a preset.</summary>
/// <param name="Architecture">Its architecture.</param>
/// <param name="Config">Its typed config.</param>
/// <param name="Reader">The config.json; null for a preset.</param>
internal sealed record ModelTarget(ArchitectureInfo Architecture, object Config, ConfigReader? Reader)
{
    /// <exception cref="InvalidInputException">There is no such file or preset, or its config is unusable.</exception>
    public static ModelTarget Find(string name)
    {
        if (Path.Exists(name))
        {
            var reader = ConfigReader.Load(name);
            var (architecture, config) = ModelLoader.ReadAnyConfig(reader);
            return new ModelTarget(architecture, config, reader);
        }

        if (name.AsSpan().IndexOfAny('/', '\\') >= 0 || name.EndsWith(".json", StringComparison.OrdinalIgnoreCase))
            throw new InvalidInputException($"{name} does not exist.");
        var (found, preset) = ArchitectureRegistry.FindPreset(name);
        return new ModelTarget(found, preset.Config(), null);
    }
}
