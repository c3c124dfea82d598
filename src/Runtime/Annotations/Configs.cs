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

    /// <summary>What it means that a config of PaddleNLP lacks the key, where that is something else than in Hugging Face's.</summary>
    public object? PaddleDefault { get; init; }
}

/// <summary>
/// Gives a name to another value of a config property: a reading of the same files that its makers' code, or another
/// implementation, has (PaddleNLP's ChatGLM does not round its rotary frequencies). Recorded values of it are <c>alt.NAME.*</c>.
/// </summary>
/// <param name="name">Name on the command line.</param>
/// <param name="value">The property's value in this reading.</param>
[AttributeUsage(AttributeTargets.Property, Inherited = false, AllowMultiple = true)]
public sealed class VariantAttribute(string name, object value) : Attribute
{
    /// <summary>Name on the command line.</summary>
    public string Name { get; } = name;

    /// <summary>The property's value in this reading.</summary>
    public object Value { get; } = value;
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
