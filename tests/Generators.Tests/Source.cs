extern alias models;
extern alias quant;

using Basic.Reference.Assemblies;
using Generated;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.Text;

namespace Generators.Tests;

/// <summary>C# text as a compilation against .NET, the runtime and the recipes.</summary>
internal static class Source
{
    // C# 14 as this Roslyn calls it.
    public static readonly CSharpParseOptions ParseOptions = new(LanguageVersion.Preview);

    private const string Usings =
        "global using System; global using System.Linq; global using Generated; global using Generated.Layers; global using static Generated.Ops;";

    /// <summary>What all compilations start from: adding text to it keeps the symbols of the references, which are slow to make.</summary>
    private static readonly CSharpCompilation Empty = CSharpCompilation.Create(
        "Declared",
        [Tree(Usings, "Usings.cs")],
        [
            .. Net100.References.All,
            MetadataReference.CreateFromFile(typeof(Flow).Assembly.Location),
            MetadataReference.CreateFromFile(typeof(TorchSharp.torch).Assembly.Location),
            MetadataReference.CreateFromFile(typeof(quant::Generated.Quant.Recipes.KeepAttribute).Assembly.Location),
        ],
        new CSharpCompilationOptions(OutputKind.DynamicallyLinkedLibrary, nullableContextOptions: NullableContextOptions.Enable));

    /// <summary>The packaged architectures.</summary>
    public static MetadataReference Models { get; } = MetadataReference.CreateFromFile(typeof(models::Generated.Models.Llama).Assembly.Location);

    public static CSharpCompilation Compilation(params string[] sources) =>
        Empty.AddSyntaxTrees(sources.Select((source, i) => Tree(source, $"Source{i}.cs")));

    public static SyntaxTree Tree(string source, string path) => CSharpSyntaxTree.ParseText(SourceText.From(source), ParseOptions, path);
}
