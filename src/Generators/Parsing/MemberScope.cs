using Generated.Generators.Graph;
using Microsoft.CodeAnalysis;

namespace Generated.Generators.Parsing;

/// <summary>
/// Resolves the names in a class's attributes: to the constructor's width parameters, then to members of its
/// config.
/// </summary>
internal sealed class MemberScope(
    INamedTypeSymbol type,
    EquatableArray<ParameterSpec> parameters,
    ConfigSpec? config,
    Compilation compilation,
    Reporter report)
{
    private readonly string? _configName = parameters.FirstOrDefault(p => p.IsConfig)?.Name;

    public string ClassName => type.Name;

    /// <summary>The config's compile-time knowledge; null where the class has none.</summary>
    public ConfigSpec? Config => config;

    /// <summary>The width a name stands for.</summary>
    public DimRef Width(string name, Location? where, string use = "a width")
    {
        if (parameters.Any(p => !p.IsConfig && p.Name == name)) return new DimRef(name, name, Dim.Atom(name));

        var unknown = new DimRef(name, name, Dim.Atom(name));
        if (Find(name, where) is not { } member) return unknown;
        if (member.Value is { } value) return new DimRef(name, Code(name), value);
        report.Report(RuleId.MemberType, where, name, "an int", use);
        return unknown;
    }

    /// <summary>The code that reads a <c>bool</c> member; null stays null.</summary>
    public string? Flag(string? name, Location? where, string use) =>
        Member(name, where, "a bool", use, member => member is { Kind: ConfigValueKind.Bool, IsNullable: false });

    /// <summary>The code that reads a number; null stays null.</summary>
    public string? Number(string? name, Location? where, string use) =>
        Member(name, where, "a number", use, member => member is { Kind: ConfigValueKind.Int or ConfigValueKind.Double, IsNullable: false });

    /// <summary>The code that reads an <c>int</c>; null stays null.</summary>
    public string? Integer(string? name, Location? where, string use) =>
        Member(name, where, "an int", use, member => member is { Kind: ConfigValueKind.Int, IsNullable: false });

    /// <summary>The code that reads the way rotary frequencies are stretched; null stays null.</summary>
    public string? Scaling(string? name, Location? where) =>
        Member(name, where, "a RopeScaling", "rotary scaling", member => member is { Kind: ConfigValueKind.Object });

    private string? Member(string? name, Location? where, string type, string use, Func<ConfigPropertySpec, bool> fits)
    {
        if (name is null || Find(name, where) is not { } member) return null;
        if (!fits(member)) report.Report(RuleId.MemberType, where, name, type, use);
        return Code(name);
    }

    private ConfigPropertySpec? Find(string name, Location? where)
    {
        if (config?.Property(name) is { } member) return member;
        if (config is { IsBroken: true }) return null;
        if (IsRefused(where))
        {
            report.Break();
            return null;
        }

        var candidates = (config?.Properties.Select(p => p.Name) ?? []).Concat(parameters.Where(p => !p.IsConfig).Select(p => p.Name));
        var nearest = Nearest.To(name, candidates);
        report.ReportWithNearest(
            RuleId.UnknownMember, where, nearest, name, config?.Name ?? type.Name, nearest is null ? "" : $"; did you mean '{nearest}'?");
        return null;
    }

    /// <summary>Whether the C# compiler already refuses the argument: <c>nameof(c.Hiden)</c> has a name, and an error of its own.</summary>
    private bool IsRefused(Location? where) =>
        where?.SourceTree is { } tree
        && compilation.GetSemanticModel(tree).GetDiagnostics(where.SourceSpan).Any(d => d.Severity == DiagnosticSeverity.Error);

    private string Code(string member) => $"{_configName}.{member}";
}
