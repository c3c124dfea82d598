namespace Generated.Generators.Graph;

/// <summary>What an attributed class declares.</summary>
internal enum ClassKind { Block, Part, Model }

/// <summary>
/// One attributed class, as declared: equatable, free of compiler types, with nothing derived in it.
/// <see cref="Layers"/> and <see cref="Bodies"/> keep declaration order.
/// </summary>
internal sealed record ClassSpec
{
    public required ClassKind Kind { get; init; }

    /// <summary>Namespace, empty for the global one.</summary>
    public required string Namespace { get; init; }

    public required string Name { get; init; }

    /// <summary><c>public</c> or <c>internal</c>.</summary>
    public required string Accessibility { get; init; }

    /// <summary>The primary constructor's parameters, in order.</summary>
    public required EquatableArray<ParameterSpec> Parameters { get; init; }

    /// <summary>Hugging Face prefix; empty for parts and models.</summary>
    public string Prefix { get; init; } = "";

    /// <summary>Paddle prefix; null where there is no Paddle counterpart.</summary>
    public string? PaddlePrefix { get; init; }

    /// <summary>Known, unused tensors, relative to the prefix.</summary>
    public EquatableArray<string> Ignored { get; init; }

    /// <summary>Full names of the first of <see cref="Ignored"/> in Paddle's files.</summary>
    public EquatableArray<string> IgnoredInPaddle { get; init; }

    public required EquatableArray<LayerSpec> Layers { get; init; }

    /// <summary>The wirings: <c>Forward</c> first (its <see cref="BodySpec.When"/> is null), then the switched ones.</summary>
    public required EquatableArray<BodySpec> Bodies { get; init; }

    /// <summary>The config's compile-time knowledge; null for parts that take widths only.</summary>
    public ConfigSpec? Config { get; init; }

    /// <summary>Only for models.</summary>
    public ModelSpec? Model { get; init; }

    /// <summary>Set where an error makes the graph unusable: the printer then emits <see cref="Stubs"/> and throwing passes only.</summary>
    public bool IsBroken { get; init; }

    /// <summary>
    /// Signatures of every partial method that waits for an implementation, for example
    /// <c>private partial global::Generated.Flow Q(global::Generated.Flow x)</c>.
    /// </summary>
    public EquatableArray<string> Stubs { get; init; }

    /// <summary>Whether a member has a name that emitted code needs (the class is then broken too, and cannot even get its base).</summary>
    public bool HasTakenName { get; init; }

    /// <summary>Fully qualified name with <c>global::</c>.</summary>
    public string FullName => Namespace.Length == 0 ? $"global::{Name}" : $"global::{Namespace}.{Name}";

    /// <summary>Unique, stable name of the emitted file.</summary>
    public string HintName => (Namespace.Length == 0 ? Name : $"{Namespace}.{Name}") + ".g.cs";

    /// <summary>Whether the class, and every class it uses, can be analysed and printed.</summary>
    public bool IsUsable => !IsBroken && Bodies.Any(b => b.When is null) && (Kind == ClassKind.Part || Config is { IsBroken: false }) && Layers.All(l => l switch
    {
        UseSpec use => use.Part.IsUsable,
        RepeatSpec repeat => repeat.Block.IsUsable,
        _ => true,
    });

    /// <summary>Name of the constructor parameter that is the config; empty where there is none.</summary>
    public string ConfigParameter => Parameters.FirstOrDefault(p => p.IsConfig)?.Name ?? "";

    public LayerSpec? Layer(string member)
    {
        foreach (var layer in Layers)
            if (layer.Member == member) return layer;
        return null;
    }
}

/// <summary>A primary constructor parameter: the config, or one width of a part.</summary>
internal sealed record ParameterSpec(string Name, string Type, bool IsConfig);

/// <summary>What is said about a model as a whole.</summary>
/// <param name="InputScheme">Fully qualified type of the input scheme.</param>
internal sealed record ModelSpec(
    string ModelType,
    EquatableArray<string> Architectures,
    EquatableArray<string> PaddleArchitectures,
    string? OptionalPrefix,
    string? RequiredKey,
    string? PaddleModelType,
    string InputScheme);
