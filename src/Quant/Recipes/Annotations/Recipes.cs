namespace Generated.Quant.Recipes;

/// <summary>
/// Declares a quantization recipe for an architecture. The class is <c>static partial</c>; further attributes say what is done, and the
/// compiler checks them against the architecture's graph and published sizes and adds a property <c>Recipe</c>.
/// </summary>
/// <typeparam name="T">A class with <see cref="ModelAttribute"/>.</typeparam>
[AttributeUsage(AttributeTargets.Class, Inherited = false)]
public sealed class QuantizeAttribute<T> : Attribute
{
    /// <summary>The recipe's name in reports and files; the class's name where absent.</summary>
    public string? Name { get; init; }

    /// <inheritdoc cref="QuantRecipe.TensorParallel"/>
    public int TensorParallel { get; init; } = 1;

    /// <inheritdoc cref="QuantRecipe.Rounding"/>
    public Rounding Rounding { get; init; } = Rounding.ToEven;
}

/// <inheritdoc cref="QuantRecipe.Keep"/>
/// <param name="layers">
/// Declared paths: <c>Llama.Paths.Head</c>, <c>nameof(Llama.Head)</c> or <c>"LlamaBlock.Mlp.Down"</c>, with <c>@3</c> for that of block 3;
/// or patterns with <c>*</c>.
/// </param>
[AttributeUsage(AttributeTargets.Class, Inherited = false)]
public sealed class KeepAttribute(params string[] layers) : Attribute
{
    /// <summary>Paths and patterns.</summary>
    public string[] Layers { get; } = layers;
}

/// <summary>Other formats for some linears; an exact path wins over a pattern, a pattern over the recipe's. What is not said is the recipe's.</summary>
/// <param name="layer">As in <see cref="KeepAttribute"/>.</param>
[AttributeUsage(AttributeTargets.Class, Inherited = false, AllowMultiple = true)]
public sealed class OverrideAttribute(string layer) : Attribute
{
    /// <summary>Path or pattern.</summary>
    public string Layer { get; } = layer;

    /// <inheritdoc cref="WeightFormat.Bits"/>
    public int WeightBits { get; init; }

    /// <inheritdoc cref="WeightFormat.Per"/>
    public Granularity WeightPer { get; init; }

    /// <inheritdoc cref="WeightFormat.GroupSize"/>
    public int WeightGroupSize { get; init; }

    /// <inheritdoc cref="WeightFormat.Symmetric"/>
    public bool WeightSymmetric { get; init; }

    /// <inheritdoc cref="WeightFormat.Observer"/>
    public WeightObserver WeightObserver { get; init; }

    /// <inheritdoc cref="ActivationFormat.Bits"/>
    public int ActivationBits { get; init; }

    /// <inheritdoc cref="ActivationFormat.Per"/>
    public ActivationGranularity ActivationPer { get; init; }

    /// <inheritdoc cref="ActivationFormat.Observer"/>
    public ActivationObserver ActivationObserver { get; init; }

    /// <inheritdoc cref="LayerOverride.Keep"/>
    public bool Keep { get; init; }
}
