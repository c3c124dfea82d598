using Generated.Generators.Graph;
using Generated.Generators.Graph.Text;
using Microsoft.CodeAnalysis;

namespace Generated.Generators.Parsing;

/// <summary>Gives the declarations that a declaration refers to.</summary>
internal interface IClassSource
{
    ClassResult Class(INamedTypeSymbol type);

    /// <summary>Whether a type belongs to another assembly, whose source (if any) is not this compilation's.</summary>
    bool IsForeign(INamedTypeSymbol type);

    /// <summary>Null where a config from another assembly carries no declaration.</summary>
    ConfigSpec? Config(INamedTypeSymbol type);
}

internal enum ClassOutcome
{
    Parsed,

    /// <summary>The class is being parsed already: it contains itself.</summary>
    Cyclic,

    /// <summary>The class comes from an assembly without a readable declaration.</summary>
    Unreadable,
}

internal readonly record struct ClassResult(ClassOutcome Outcome, ClassSpec? Spec);

/// <summary>
/// The declarations of one compilation and its references, each parsed once. Classes of this compilation are parsed from
/// source, with diagnostics left to their own parse; those of other assemblies are read from the graph left on them.
/// </summary>
internal sealed class ClassSource(Compilation compilation, CancellationToken cancellation) : IClassSource
{
    private readonly HashSet<INamedTypeSymbol> _open = new(SymbolEqualityComparer.Default);
    private readonly Dictionary<INamedTypeSymbol, ClassSpec?> _classes = new(SymbolEqualityComparer.Default);
    private readonly Dictionary<INamedTypeSymbol, ConfigSpec?> _configs = new(SymbolEqualityComparer.Default);

    /// <summary>Parses a class with its diagnostics.</summary>
    public Parsed<ClassSpec> Parse(INamedTypeSymbol type)
    {
        _open.Add(type);
        try
        {
            return ClassParser.Parse(type, compilation, this, cancellation);
        }
        finally
        {
            _open.Remove(type);
        }
    }

    public ClassResult Class(INamedTypeSymbol type)
    {
        if (_open.Contains(type)) return new ClassResult(ClassOutcome.Cyclic, null);
        var isForeign = IsForeign(type);
        if (!_classes.TryGetValue(type, out var spec)) _classes.Add(type, spec = isForeign ? Read(type) : Parse(type).Spec);
        return new ClassResult(isForeign && spec is null ? ClassOutcome.Unreadable : ClassOutcome.Parsed, spec);
    }

    public ConfigSpec? Config(INamedTypeSymbol type)
    {
        if (!_configs.TryGetValue(type, out var spec))
        {
            spec = !IsForeign(type) ? ConfigParser.Parse(type, compilation, cancellation).Spec
                : Graph(type) is { } text ? GraphText.ReadConfig(text)
                : null;
            _configs.Add(type, spec);
        }

        return spec;
    }

    public bool IsForeign(INamedTypeSymbol type) => !SymbolEqualityComparer.Default.Equals(type.ContainingAssembly, compilation.Assembly);

    /// <summary>The graph that the compiler left on a class of another assembly.</summary>
    private ClassSpec? Read(INamedTypeSymbol type)
    {
        if (Graph(type) is not { } text) return null;
        var config = type.InstanceConstructors.SelectMany(c => c.Parameters)
            .Select(p => p.Type).OfType<INamedTypeSymbol>().FirstOrDefault(t => t.Attribute(KnownNames.Config) is not null);
        return GraphText.ReadClass(text, config is null ? null : Config(config));
    }

    private static string? Graph(INamedTypeSymbol type) =>
        type.Attribute(KnownNames.DeclaredGraph) is { ConstructorArguments: [{ Value: string text }] } ? text : null;
}
