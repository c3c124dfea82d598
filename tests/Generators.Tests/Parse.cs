using Generated.Generators.Graph;
using Generated.Generators.Parsing;
using Microsoft.CodeAnalysis;

namespace Generators.Tests;

/// <summary>Shortcuts from C# text to graphs.</summary>
internal static class Parse
{
    /// <summary>The graph of one class; fails where the declaration has errors.</summary>
    public static ClassSpec Class(string name, params string[] sources)
    {
        var parsed = ClassWithDiagnostics(name, sources);
        Assert.Empty(parsed.Diagnostics);
        Assert.NotNull(parsed.Spec);
        Assert.False(parsed.Spec.IsBroken);
        return parsed.Spec;
    }

    public static Parsed<ClassSpec> ClassWithDiagnostics(string name, params string[] sources)
    {
        var compilation = Source.Compilation(sources);
        return ClassSource.Parse(Type(compilation, name), compilation, default);
    }

    public static ConfigSpec Config(string name, params string[] sources)
    {
        var compilation = Source.Compilation(sources);
        var parsed = ClassSource.ParseConfig(Type(compilation, name), compilation, default);
        Assert.Empty(parsed.Diagnostics);
        return parsed.Spec!;
    }

    private static INamedTypeSymbol Type(Compilation compilation, string name) =>
        compilation.GetSymbolsWithName(name, SymbolFilter.Type).OfType<INamedTypeSymbol>().Single();
}
