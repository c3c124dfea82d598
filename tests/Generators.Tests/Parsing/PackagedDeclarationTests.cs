using Generators.Tests.Declarations;
using Generators.Tests.Diagnostics;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;

namespace Generators.Tests.Parsing;

/// <summary>Models built from the parts, blocks and configs of a compiled assembly.</summary>
public sealed class PackagedDeclarationTests
{
    private const string OwnModel = """
        using Declared;

        [Model("mine")]
        public sealed partial class Mine(LlamaConfig c)
        {
            [Embedding(nameof(c.Vocab), nameof(c.Hidden), "embed")] private partial Flow Embed(Tokens ids);
            [Repeat<LlamaBlock>(nameof(c.Layers))] private partial Flow Blocks(Flow x);
            [Linear(nameof(c.Hidden), nameof(c.Vocab), "head")] private partial Flow Head(Flow x);
            public Flow Forward(Tokens ids) => Head(Blocks(Embed(ids)));
        }
        """;

    private const string OwnBlock = """
        using Declared;

        [Block("layers.{i}")]
        public sealed partial class Plain(ToyConfig c)
        {
            [RmsNorm(nameof(c.Hidden), "norm")] private partial Flow Norm(Flow x);
            [Use<GatedMlp>("mlp", nameof(c.Hidden), nameof(c.Ffn))] private partial Flow Mlp(Flow x);
            public Flow Forward(Flow x) => x + Mlp(Norm(x));
        }
        """;

    [Fact]
    public void PackagedBlock_IsRepeatedByAnotherModel()
    {
        var compiled = Compiled.From(Using(Packaged(Compiled.From(Declared.Llama).Output), OwnModel));

        Assert.Empty(compiled.Errors);
        Assert.Contains(compiled.Run.GeneratedTrees, t => t.FilePath.EndsWith("Mine.g.cs", StringComparison.Ordinal));
    }

    [Fact]
    public void PackagedPart_IsUsedInAnotherBlock()
    {
        var compiled = Compiled.From(Using(Packaged(Compiled.From(Declared.Llama).Output), OwnBlock, RulePage.Shared));

        Assert.Empty(compiled.Errors);
    }

    [Fact]
    public void PackagedPart_IsCheckedLikeItsSource()
    {
        var wrong = OwnBlock.Replace("nameof(c.Hidden), nameof(c.Ffn))", "nameof(c.Ffn), nameof(c.Hidden))");

        var compiled = Compiled.From(Using(Packaged(Compiled.From(Declared.Llama).Output), wrong, RulePage.Shared));

        Assert.Contains(compiled.Errors, e => e.Id == "GEN0201");
        Assert.All(compiled.Errors, e => Assert.StartsWith("GEN02", e.Id));
    }

    [Fact]
    public void PartWithoutItsGraph_IsRefused()
    {
        var silent = Source.Compilation("namespace Declared; [Part] public sealed class GatedMlp(int hidden, int ffn) { public int Sum => hidden + ffn; }");

        var compiled = Compiled.From(Using(Packaged(silent), OwnBlock, RulePage.Shared));

        var error = Assert.Single(compiled.Errors);
        Assert.Equal("GEN0512", error.Id);
        Assert.Equal("GatedMlp", error.Location.SourceTree!.GetText().ToString(error.Location.SourceSpan));
    }

    private static CSharpCompilation Using(MetadataReference package, params string[] sources) =>
        Source.Compilation(sources).WithAssemblyName("Consumer").AddReferences(package);

    private static PortableExecutableReference Packaged(Compilation compilation)
    {
        using var image = new MemoryStream();
        var emitted = compilation.WithAssemblyName("Package").Emit(image);
        Assert.True(emitted.Success, string.Join("\n", emitted.Diagnostics));
        return MetadataReference.CreateFromImage(image.ToArray());
    }
}
