namespace Generated.Quant.Recipes;

/// <summary>Stores the linears' weights in integers.</summary>
[AttributeUsage(AttributeTargets.Class, Inherited = false)]
public sealed class WeightsAttribute : Attribute
{
    /// <inheritdoc cref="WeightFormat.Bits"/>
    public int Bits { get; init; } = 8;

    /// <inheritdoc cref="WeightFormat.Per"/>
    public Granularity Per { get; init; } = Granularity.Channel;

    /// <inheritdoc cref="WeightFormat.GroupSize"/>
    public int GroupSize { get; init; } = 128;

    /// <inheritdoc cref="WeightFormat.Symmetric"/>
    public bool Symmetric { get; init; } = true;

    /// <inheritdoc cref="WeightFormat.Observer"/>
    public WeightObserver Observer { get; init; }
}

/// <summary>Takes the linears' inputs in integers.</summary>
[AttributeUsage(AttributeTargets.Class, Inherited = false)]
public sealed class ActivationsAttribute : Attribute
{
    /// <inheritdoc cref="ActivationFormat.Bits"/>
    public int Bits { get; init; } = 8;

    /// <inheritdoc cref="ActivationFormat.Per"/>
    public ActivationGranularity Per { get; init; }

    /// <inheritdoc cref="ActivationFormat.Observer"/>
    public ActivationObserver Observer { get; init; }
}

/// <summary>Keeps cached keys and values in integers.</summary>
[AttributeUsage(AttributeTargets.Class, Inherited = false)]
public sealed class KvCacheAttribute : Attribute
{
    /// <inheritdoc cref="KvCacheFormat.Bits"/>
    public int Bits { get; init; } = 8;

    /// <inheritdoc cref="KvCacheFormat.Observer"/>
    public ActivationObserver Observer { get; init; }
}

/// <summary>Stores the token embedding in integers.</summary>
[AttributeUsage(AttributeTargets.Class, Inherited = false)]
public sealed class TokenEmbeddingAttribute : Attribute
{
    /// <inheritdoc cref="EmbeddingFormat.Bits"/>
    public int Bits { get; init; } = 8;

    /// <inheritdoc cref="EmbeddingFormat.Spacing"/>
    public EmbeddingSpacing Spacing { get; init; }

    /// <inheritdoc cref="EmbeddingFormat.TiedHead"/>
    public bool TiedHead { get; init; }
}
