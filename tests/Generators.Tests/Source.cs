using System.Collections.Immutable;
using Basic.Reference.Assemblies;
using Generated;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.Text;

namespace Generators.Tests;

/// <summary>C# text as a compilation against .NET and the runtime.</summary>
internal static class Source
{
    // C# 14 as this Roslyn calls it.
    public static readonly CSharpParseOptions ParseOptions = new(LanguageVersion.Preview);

    private static readonly ImmutableArray<MetadataReference> References =
    [
        .. Net100.References.All,
        MetadataReference.CreateFromFile(typeof(Flow).Assembly.Location),
        MetadataReference.CreateFromFile(typeof(TorchSharp.torch).Assembly.Location),
    ];

    public static CSharpCompilation Compilation(params string[] sources) => CSharpCompilation.Create(
        "Declared",
        [Tree(Usings, "Usings.cs"), .. sources.Select((source, i) => Tree(source, $"Source{i}.cs"))],
        References,
        new CSharpCompilationOptions(OutputKind.DynamicallyLinkedLibrary, nullableContextOptions: NullableContextOptions.Enable));

    public static SyntaxTree Tree(string source, string path) => CSharpSyntaxTree.ParseText(SourceText.From(source), ParseOptions, path);

    private const string Usings =
        "global using System; global using System.Linq; global using Generated; global using Generated.Layers; global using static Generated.Ops;";
}
