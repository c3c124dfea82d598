using Generated.Generators.Graph;
using Microsoft.CodeAnalysis;

namespace Generated.Generators.Parsing;

/// <summary>Gives the declarations that a declaration refers to.</summary>
internal interface IClassSource
{
    ClassResult Class(INamedTypeSymbol type);

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
/// source, with diagnostics left to their own parse.
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
        if (type.DeclaringSyntaxReferences.IsEmpty) return new ClassResult(ClassOutcome.Unreadable, null);
        if (!_classes.TryGetValue(type, out var spec)) _classes.Add(type, spec = Parse(type).Spec);
        return new ClassResult(ClassOutcome.Parsed, spec);
    }

    public ConfigSpec? Config(INamedTypeSymbol type)
    {
        if (type.DeclaringSyntaxReferences.IsEmpty) return null;
        if (!_configs.TryGetValue(type, out var spec))
            _configs.Add(type, spec = ConfigParser.Parse(type, compilation, cancellation).Spec);
        return spec;
    }
}
