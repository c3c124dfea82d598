namespace Generated;

/// <summary>
/// Declares a block: the unit a model repeats. The class is <c>sealed partial</c>, takes its config by primary constructor,
/// declares its layers as attributed partial methods and its wiring as <c>public Flow Forward(Flow x)</c>.
/// </summary>
/// <param name="prefix">Checkpoint prefix of the block's tensors with <c>{i}</c> for the block's index, for example <c>model.layers.{i}</c>.</param>
[AttributeUsage(AttributeTargets.Class, Inherited = false)]
public sealed class BlockAttribute(string prefix) : Attribute
{
    /// <summary>Checkpoint prefix of the block's tensors, with <c>{i}</c>.</summary>
    public string Prefix { get; } = prefix;

    /// <summary>The same prefix in PaddleNLP's checkpoints; absent where there is no Paddle counterpart.</summary>
    public string? Paddle { get; init; }
}

/// <summary>
/// Declares a reusable part of a block (an attention, a gated MLP) in the block language. Its primary constructor takes
/// widths (<c>int</c>) or the config; <see cref="UseAttribute{T}"/> gives the widths.
/// </summary>
[AttributeUsage(AttributeTargets.Class, Inherited = false)]
public sealed class PartAttribute : Attribute;

/// <summary>Declares a whole architecture: embedding, repeated blocks, final norm, head.</summary>
/// <param name="modelType">The <c>model_type</c> of config.json that selects this architecture.</param>
[AttributeUsage(AttributeTargets.Class, Inherited = false)]
public sealed class ModelAttribute(string modelType) : Attribute
{
    /// <summary>The <c>model_type</c> of config.json.</summary>
    public string ModelType { get; } = modelType;

    /// <summary>Entries of <c>architectures</c> (or class names in <c>auto_map</c>) that select this architecture.</summary>
    public string[] Architectures { get; init; } = [];

    /// <summary>A component that published files may lack in front of every name (<c>transformer.</c>); added or dropped on load as the file needs.</summary>
    public string? OptionalPrefix { get; init; }

    /// <summary>A key that config.json must have, where two architectures share a <c>model_type</c> (ChatGLM2's <c>padded_vocab_size</c>).</summary>
    public string? RequiredKey { get; init; }

    /// <summary>The <c>model_type</c> of Paddle's config, where it differs.</summary>
    public string? PaddleModelType { get; init; }

    /// <summary>Class name that Paddle's config names under <c>architectures</c>.</summary>
    public string[] PaddleArchitectures { get; init; } = [];
}

/// <summary>Chooses how positions and the attention mask follow from token ids; the default is <see cref="Passes.CausalInputs"/>.</summary>
/// <typeparam name="T">The scheme.</typeparam>
[AttributeUsage(AttributeTargets.Class, Inherited = false)]
public sealed class InputsAttribute<T> : Attribute where T : Passes.IInputScheme;

/// <summary>Checkpoint tensors that are known and not used (rotary buffers, causal masks); every other leftover is an error.</summary>
/// <param name="names">Names relative to the class's prefix.</param>
[AttributeUsage(AttributeTargets.Class, Inherited = false)]
public sealed class IgnoreAttribute(params string[] names) : Attribute
{
    /// <summary>Names relative to the class's prefix.</summary>
    public string[] Names { get; } = names;

    /// <summary>The same tensors' full names in Paddle's files, one for each of <see cref="Names"/>, where Paddle stores them too.</summary>
    public string[] Paddle { get; init; } = [];
}

/// <summary>
/// Marks a second wiring that a published config switches on. The method has the shape of <c>Forward</c>; it replaces it
/// where the named <c>bool</c> config member is true. At most one such member may be true in a config.
/// </summary>
/// <param name="when">Name of a <c>bool</c> member of the config.</param>
[AttributeUsage(AttributeTargets.Method, Inherited = false)]
public sealed class ForwardWhenAttribute(string when) : Attribute
{
    /// <summary>Name of a <c>bool</c> member of the config.</summary>
    public string When { get; } = when;
}
