using Generated.Generators;
using Generated.Generators.Graph;

namespace Generators.Tests.Analysis.Declarations;

/// <summary>Builds a config's compile-time knowledge by hand, as the parser would.</summary>
internal sealed class ConfigBuilder(string name)
{
    private readonly List<ConfigPropertySpec> _properties = [];
    private readonly List<QuotientSpec> _quotients = [];
    private readonly List<PresetSpec> _presets = [];

    public ConfigBuilder Int(string member, string key, bool required = true)
    {
        _properties.Add(new(member, ConfigValueKind.Int, "int", false, true, required, EquatableArray.Of(key), null, Dim.Atom(member)));
        return this;
    }

    public ConfigBuilder Double(string member, string key) => Add(member, ConfigValueKind.Double, "double", key);

    public ConfigBuilder Bool(string member, string key) => Add(member, ConfigValueKind.Bool, "bool", key);

    public ConfigBuilder Scaling(string member, string key)
    {
        _properties.Add(new(member, ConfigValueKind.Object, "global::Generated.Layers.RopeScaling?", true, true, false, EquatableArray.Of(key), null, null));
        return this;
    }

    /// <summary>A derived flag.</summary>
    public ConfigBuilder Flag(string member)
    {
        _properties.Add(new(member, ConfigValueKind.Bool, "bool", false, false, false, default, null, null));
        return this;
    }

    /// <summary>A derived width.</summary>
    public ConfigBuilder Width(string member, Dim value)
    {
        _properties.Add(new(member, ConfigValueKind.Int, "int", false, false, false, default, null, value));
        return this;
    }

    /// <summary>A width that is defined as an exact division.</summary>
    public ConfigBuilder Quotient(string member, string dividend, string divisor)
    {
        _quotients.Add(new QuotientSpec(member, this[dividend], this[divisor]));
        return Width(member, Dim.Atom(member));
    }

    /// <summary>A preset; flags are 0 or 1. Derived widths follow.</summary>
    public ConfigBuilder Preset(string preset, int[] degrees, params (string Member, long Value)[] values)
    {
        var known = values.ToDictionary(v => v.Member, v => v.Value);
        foreach (var quotient in _quotients)
            known[quotient.Member] = quotient.Dividend.Evaluate(Find)!.Value / quotient.Divisor.Evaluate(Find)!.Value;
        foreach (var property in _properties)
            if (property.Value?.Evaluate(Find) is { } value) known[property.Name] = value;
        _presets.Add(new PresetSpec(
            preset, preset.Replace('-', '_'), degrees.ToEquatableArray(), known.Select(k => new PresetValue(k.Key, k.Value)).ToEquatableArray()));
        return this;

        long? Find(string member) => known.TryGetValue(member, out var value) ? value : null;
    }

    public Dim this[string member] => _properties.First(p => p.Name == member).Value!;

    public ConfigSpec Build() => new()
    {
        Type = $"global::Generated.Models.{name}",
        Namespace = "Generated.Models",
        Name = name,
        Properties = _properties.ToEquatableArray(),
        Presets = _presets.ToEquatableArray(),
        Quotients = _quotients.ToEquatableArray(),
    };

    private ConfigBuilder Add(string member, ConfigValueKind kind, string type, string key)
    {
        _properties.Add(new(member, kind, type, false, true, false, EquatableArray.Of(key), null, null));
        return this;
    }
}
