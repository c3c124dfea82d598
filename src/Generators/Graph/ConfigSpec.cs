namespace Generated.Generators.Graph;

/// <summary>What is known of a config type at compile time.</summary>
internal sealed record ConfigSpec
{
    /// <summary>Fully qualified type with <c>global::</c>.</summary>
    public required string Type { get; init; }
    public required string Namespace { get; init; }
    public required string Name { get; init; }

    /// <summary>Public instance properties in declaration order, derived ones included.</summary>
    public required EquatableArray<ConfigPropertySpec> Properties { get; init; }
    public required EquatableArray<PresetSpec> Presets { get; init; }

    /// <summary>Derived widths that are exactly another width divided by a third, such as <c>HeadDim => Hidden / Heads</c>.</summary>
    public EquatableArray<QuotientSpec> Quotients { get; init; }

    /// <summary>Set where an error makes the config unusable: the printer then emits throwing members only.</summary>
    public bool IsBroken { get; init; }

    /// <summary>Names of emitted members that a member of the author's has: an error, and they are not emitted.</summary>
    public EquatableArray<string> TakenNames { get; init; }

    /// <summary>Unique, stable name of the emitted file.</summary>
    public string HintName => (Namespace.Length == 0 ? Name : $"{Namespace}.{Name}") + ".g.cs";

    public ConfigPropertySpec? Property(string name)
    {
        foreach (var property in Properties)
            if (property.Name == name) return property;
        return null;
    }
}

internal enum ConfigValueKind { Int, Double, Bool, String, IntArray, Object }

/// <summary>A config property.</summary>
/// <param name="Type">C# type as written, for example <c>int</c> or <c>global::Generated.Layers.RopeScaling?</c>.</param>
/// <param name="Keys">Hugging Face keys; empty for derived properties.</param>
/// <param name="Value">Polynomial of an <c>int</c> property: itself for a settable one, its expression for a derived one.</param>
internal sealed record ConfigPropertySpec(
    string Name,
    ConfigValueKind Kind,
    string Type,
    bool IsNullable,
    bool IsSettable,
    bool IsRequired,
    EquatableArray<string> Keys,
    string? PaddleKey,
    Dim? Value)
{
    /// <summary>C# literal of what an absent key means in Paddle's configs, where that differs.</summary>
    public string? PaddleDefault { get; init; }

    /// <summary>Named other values.</summary>
    public EquatableArray<VariantSpec> Variants { get; init; }
}

/// <summary>A named other value of a property, as JSON.</summary>
internal sealed record VariantSpec(string Name, string Json);

/// <summary>A preset with the values that could be evaluated at compile time.</summary>
internal sealed record PresetSpec(
    string Name,
    string Member,
    EquatableArray<int> TensorParallel,
    EquatableArray<PresetValue> Values)
{
    public long? Value(string member)
    {
        foreach (var value in Values)
            if (value.Member == member) return value.Number;
        return null;
    }
}

/// <summary>An <c>int</c> or <c>bool</c> (0/1) member of a preset.</summary>
internal sealed record PresetValue(string Member, long Number);

/// <summary>
/// A derived property whose getter is a division of two widths. That it comes out even is checked for every preset and
/// when a config is read, so <c>Member · Divisor</c> and <c>Dividend</c> are one width.
/// </summary>
internal sealed record QuotientSpec(string Member, Dim Dividend, Dim Divisor);
