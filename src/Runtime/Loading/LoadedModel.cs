using Generated.Architectures;
using Generated.Configuration;
using Generated.Generation;
using Generated.Tokenization;

namespace Generated.Loading;

/// <summary>A model with its weights, and what came with it.</summary>
public sealed class LoadedModel : IDisposable
{
    internal LoadedModel(string directory, CausalModel model, ArchitectureInfo architecture, ConfigReader config)
    {
        Directory = directory;
        Model = model;
        Architecture = architecture;
        Config = config;
        EosIds = GenerationDefaults.EosIds(directory, config);
        ContextLength = GenerationDefaults.ContextLength(config);
    }

    /// <summary>The checkpoint's folder.</summary>
    public string Directory { get; }

    /// <summary>The model.</summary>
    public CausalModel Model { get; }

    /// <summary>Its architecture.</summary>
    public ArchitectureInfo Architecture { get; }

    /// <summary>The folder's config.json.</summary>
    public ConfigReader Config { get; }

    /// <summary>Which of the architecture's named other readings of the same files this model is.</summary>
    public IReadOnlyList<string> Variants { get; internal init; } = [];

    /// <summary>The folder's tokenizer, or null where it has none.</summary>
    public ITokenizer? Tokenizer { get; internal init; }

    /// <summary>Why there is no tokenizer, or null.</summary>
    public string? TokenizerProblem { get; internal init; }

    /// <summary>Ids that end a generation, from generation_config.json or config.json; null where neither names any.</summary>
    public IReadOnlyList<int>? EosIds { get; }

    /// <summary>Longest sequence, or null for no limit.</summary>
    public int? ContextLength { get; }

    /// <summary>The tokenizer, which has to be there.</summary>
    /// <exception cref="InvalidInputException">There is none.</exception>
    public ITokenizer RequireTokenizer() => Tokenizer ?? throw new InvalidInputException(TokenizerProblem ?? $"The folder {Directory} has no tokenizer.");

    /// <summary>A generator over this model with the checkpoint's tokenizer, end-of-sequence ids and longest sequence.</summary>
    public TextGenerator CreateGenerator() => new(Model, Tokenizer, EosIds, ContextLength);

    /// <inheritdoc/>
    public void Dispose() => Model.Dispose();
}
