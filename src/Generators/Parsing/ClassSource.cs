using System.Runtime.CompilerServices;
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
/// The declarations of one compilation and its references, each parsed once: a block is asked for by its own output and
/// by every model that repeats it. Those of other assemblies are read from the graph left on them.
/// </summary>
internal sealed class ClassSource : IClassSource
{
    private static readonly ConditionalWeakTable<Compilation, ClassSource> Sources = new();

    private readonly Compilation _compilation;
    private readonly HashSet<INamedTypeSymbol> _open = new(SymbolEqualityComparer.Default);
    private readonly Dictionary<INamedTypeSymbol, Parsed<ClassSpec>> _classes = new(SymbolEqualityComparer.Default);
    private readonly Dictionary<INamedTypeSymbol, Parsed<ConfigSpec>> _configs = new(SymbolEqualityComparer.Default);
    private readonly Dictionary<INamedTypeSymbol, (ClassSpec? Class, ConfigSpec? Config)> _foreign = new(SymbolEqualityComparer.Default);
    private CancellationToken _cancellation;

    private ClassSource(Compilation compilation) => _compilation = compilation;

    /// <summary>Parses a class of the compilation, with its diagnostics.</summary>
    public static Parsed<ClassSpec> Parse(INamedTypeSymbol type, Compilation compilation, CancellationToken cancellation) =>
        In(compilation, cancellation, source => source.Own(type));

    /// <summary>Parses a config of the compilation, with its diagnostics.</summary>
    public static Parsed<ConfigSpec> ParseConfig(INamedTypeSymbol type, Compilation compilation, CancellationToken cancellation) =>
        In(compilation, cancellation, source => source.OwnConfig(type));

    /// <summary>Parses a recipe of the compilation, with its diagnostics.</summary>
    public static Parsed<RecipeDeclaration> ParseRecipe(INamedTypeSymbol type, Compilation compilation, CancellationToken cancellation) =>
        In(compilation, cancellation, source => RecipeParser.Parse(type, compilation, source, cancellation));

    public ClassResult Class(INamedTypeSymbol type)
    {
        if (_open.Contains(type)) return new ClassResult(ClassOutcome.Cyclic, null);
        if (!IsForeign(type)) return new ClassResult(ClassOutcome.Parsed, Own(type).Spec);
        if (!_foreign.TryGetValue(type, out var read)) _foreign.Add(type, read = (ReadClass(type), null));
        return new ClassResult(read.Class is null ? ClassOutcome.Unreadable : ClassOutcome.Parsed, read.Class);
    }

    public bool IsForeign(INamedTypeSymbol type) => !SymbolEqualityComparer.Default.Equals(type.ContainingAssembly, _compilation.Assembly);

    public ConfigSpec? Config(INamedTypeSymbol type)
    {
        if (!IsForeign(type)) return OwnConfig(type).Spec;
        if (!_foreign.TryGetValue(type, out var read))
            _foreign.Add(type, read = (null, Graph(type) is { } text ? GraphText.ReadConfig(text) : null));
        return read.Config;
    }

    /// <summary>The lock is for editors, which may run the generator over one compilation twice at a time.</summary>
    private static T In<T>(Compilation compilation, CancellationToken cancellation, Func<ClassSource, T> parse)
    {
        var source = Sources.GetValue(compilation, c => new ClassSource(c));
        lock (source._open)
        {
            source._cancellation = cancellation;
            return parse(source);
        }
    }

    private Parsed<ClassSpec> Own(INamedTypeSymbol type)
    {
        if (_classes.TryGetValue(type, out var parsed)) return parsed;
        _open.Add(type);
        try
        {
            parsed = ClassParser.Parse(type, _compilation, this, _cancellation);
        }
        finally
        {
            _open.Remove(type);
        }

        _classes.Add(type, parsed);
        return parsed;
    }

    private Parsed<ConfigSpec> OwnConfig(INamedTypeSymbol type)
    {
        if (!_configs.TryGetValue(type, out var parsed))
            _configs.Add(type, parsed = ConfigParser.Parse(type, _compilation, _cancellation));
        return parsed;
    }

    /// <summary>The graph that the compiler left on a class of another assembly.</summary>
    private ClassSpec? ReadClass(INamedTypeSymbol type)
    {
        if (Graph(type) is not { } text) return null;
        var config = type.InstanceConstructors.SelectMany(c => c.Parameters)
            .Select(p => p.Type).OfType<INamedTypeSymbol>().FirstOrDefault(t => t.Attribute(KnownNames.Config) is not null);
        return GraphText.ReadClass(text, config is null ? null : Config(config), name => Block(type.ContainingAssembly, name));
    }

    /// <summary>A block that a model of another assembly repeats; it may come from a third one.</summary>
    private ClassSpec? Block(IAssemblySymbol assembly, string fullName)
    {
        var name = fullName.Substring(fullName.IndexOf("::", StringComparison.Ordinal) + "::".Length);
        var type = assembly.Modules.SelectMany(m => m.ReferencedAssemblySymbols).Prepend(assembly)
            .Select(a => a.GetTypeByMetadataName(name)).FirstOrDefault(t => t is not null);
        return type is null ? null : Class(type).Spec;
    }

    private static string? Graph(INamedTypeSymbol type) =>
        type.Attribute(KnownNames.DeclaredGraph) is { ConstructorArguments: [{ Value: string text }] } ? text : null;
}
