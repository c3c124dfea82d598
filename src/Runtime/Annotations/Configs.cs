namespace Generated;

/// <summary>
/// Marks a <c>partial record</c> as an architecture's config: its <see cref="KeyAttribute"/> properties are read from
/// config.json, other properties are derived from them and may be used as widths.
/// </summary>
[AttributeUsage(AttributeTargets.Class, Inherited = false)]
public sealed class ConfigAttribute : Attribute;

/// <summary>Names the config.json keys a property is read from (the first is written).</summary>
/// <param name="names">Hugging Face keys, in order of preference; <c>a.b</c> reaches into an object.</param>
[AttributeUsage(AttributeTargets.Property, Inherited = false)]
public sealed class KeyAttribute(params string[] names) : Attribute
{
    /// <summary>Hugging Face keys, in order of preference.</summary>
    public string[] Names { get; } = names;

    /// <summary>The key in PaddleNLP's config, where it differs.</summary>
    public string? Paddle { get; init; }
}

/// <summary>Marks a static config property as a preset of a published size; the compiler checks the declaration against its constants.</summary>
/// <param name="name">The preset's name on the command line, for example <c>llama-2-7b</c>.</param>
[AttributeUsage(AttributeTargets.Property, Inherited = false)]
public sealed class PresetAttribute(string name) : Attribute
{
    /// <summary>The preset's name on the command line.</summary>
    public string Name { get; } = name;

    /// <summary>Tensor-parallel degrees this size is meant to run at; the compiler checks divisibility for each.</summary>
    public int[] TensorParallel { get; init; } = [];
}
