using System.Reflection;
using Generated.Architectures;
using Generated.Generators.Graph;
using Generators.Tests.Declarations;
using Generators.Tests.Diagnostics;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.CSharp.Syntax;

namespace Generators.Tests.Printing;

/// <summary>The names that emitted code needs are exactly those that declarations are refused.</summary>
public sealed class EmittedNamesTests
{
    /// <summary>A part with a factor in two wirings, used where it may be absent: every member whose name follows from wirings.</summary>
    private const string Switched = """
        [Part] public sealed partial class Mlp(ToyConfig config, int width)
        {
            private double Half => 0.5 * config.Epsilon;
            [Linear(nameof(width), nameof(width), "up")] private partial Flow Up(Flow x);
            public Flow Forward(Flow x) => Half * Gelu(Up(x));
            [ForwardWhen(nameof(config.PostNorm))] private Flow ForwardTwice(Flow x) => Relu(Up(x)) * 2.0;
        }

        [Block("layers.{i}")] public sealed partial class Switched(ToyConfig c)
        {
            [Use<Mlp>("mlp", nameof(c.Hidden), When = nameof(c.PostNorm))] private partial Flow Inner(Flow x);
            public Flow Forward(Flow x) => x + Inner(x);
        }

        [Model("switched")] public sealed partial class SwitchedModel(ToyConfig c)
        {
            [Embedding(nameof(c.Vocab), nameof(c.Hidden), "embed")] private partial Flow Embed(Tokens ids);
            [Repeat<Switched>(nameof(c.Layers))] private partial Flow Blocks(Flow x);
            [RmsNorm(nameof(c.Hidden), "norm")] private partial Flow Norm(Flow x);
            public Flow Forward(Tokens ids) => Blocks(Embed(ids));
            [ForwardWhen(nameof(c.PostNorm))] private Flow ForwardNorm(Tokens ids) => Norm(Blocks(Embed(ids)));
        }
        """;

    private static readonly string[] Passes = ["Full", "Prefill", "Decode", "Enter", "Leave"];

    public static TheoryData<string> Declarations => new() { "Llama", "ChatGlm", "Bloom", "GptJ", "Switched" };

    [Theory, MemberData(nameof(Declarations))]
    public void EmittedMembers_AreTheListed(string name)
    {
        var sources = Sources(name);
        var compiled = Compiled.From(sources);
        var emitted = compiled.Run.GeneratedTrees.ToHashSet();
        var types = compiled.Output.GetSymbolsWithName(_ => true, SymbolFilter.Type).OfType<INamedTypeSymbol>()
            .Where(t => t.ContainingType is null && t.GetAttributes().Any(a => a.AttributeClass!.Name is "ConfigAttribute" or "PartAttribute" or "BlockAttribute" or "ModelAttribute")).ToList();
        Assert.NotEmpty(types);

        foreach (var type in types)
        {
            // The implementing halves of the author's partial methods are emitted too; their names are the author's.
            var members = type.GetMembers()
                .Where(m => !m.IsImplicitlyDeclared && m.CanBeReferencedByName && m.Locations.All(l => l.SourceTree is { } tree && emitted.Contains(tree)))
                .Where(m => m is not IMethodSymbol { PartialDefinitionPart: not null } and not IMethodSymbol { AssociatedSymbol: not null })
                .Select(m => m.Name).Distinct().Order().ToList();
            if (type.IsRecord)
            {
                Assert.Equal(EmittedNames.Config.Append(EmittedNames.ConfigCheck).Order(), members);
                continue;
            }

            var spec = Parse.Class(type.Name, sources);
            var inherited = Base(spec.Kind).GetMembers(BindingFlags.Instance | BindingFlags.Static | BindingFlags.Public | BindingFlags.NonPublic)
                .Where(m => !IsOverridable(m)).Select(m => m.Name);
            Assert.Equal(EmittedNames.Of(spec.Kind).Except(inherited).Concat(EmittedNames.OfWirings(spec)).Distinct().Order(), members);
        }
    }

    /// <summary>What a member of the same name would hide: properties, and the methods that emitted code calls without arguments or with a flow.</summary>
    [Theory]
    [InlineData(ClassKind.Part)]
    [InlineData(ClassKind.Block)]
    [InlineData(ClassKind.Model)]
    public void PropertiesOfBases_AreListed(object kind)
    {
        var properties = Base((ClassKind)kind).GetProperties().Select(p => p.Name);

        Assert.Empty(properties.Except(EmittedNames.Of((ClassKind)kind)));
    }

    public static TheoryData<string, string> Taken
    {
        get
        {
            var all = new TheoryData<string, string>();
            foreach (var kind in new[] { ClassKind.Part, ClassKind.Block, ClassKind.Model })
                foreach (var name in EmittedNames.Of(kind)) all.Add(kind.ToString(), name);
            return all;
        }
    }

    [Theory, MemberData(nameof(Taken))]
    public void LayerOfATakenName_IsOneErrorAtTheName(string kind, string name) =>
        Refused(name, Declare(kind, $"[RmsNorm(nameof(c.Hidden), \"norm\")] private partial Flow {name}(Flow x);", $"{name}(x)"));

    [Theory]
    [InlineData("Block", "private Flow Full(Flow x) => x;", "Full")]
    [InlineData("Block", "private double Weights => 2;", "Weights")]
    [InlineData("Part", "private sealed class LayerSet;", "LayerSet")]
    [InlineData("Model", "private static int Context;", "Context")]
    [InlineData("Model", "public object Config => c;", "Config")]
    [InlineData("Model", "private int StructureForward => 1;", "StructureForward")]
    [InlineData("Part", "private int ForwardFactor2 => 1;", "ForwardFactor2")]
    public void MemberOfATakenName_IsOneErrorAtTheName(string kind, string member, string name) =>
        Refused(name, Declare(kind, $"{member} [RmsNorm(nameof(c.Hidden), \"norm\")] private partial Flow Norm(Flow x);", "2.0 * Norm(x)"));

    /// <summary>Names that are emitted for another kind of class, and overloads of methods that are only inherited.</summary>
    [Theory]
    [InlineData("Part", "Full")]
    [InlineData("Part", "Config")]
    [InlineData("Part", "Index")]
    [InlineData("Block", "Value")]
    [InlineData("Block", "Structure")]
    [InlineData("Model", "Norm")]
    [InlineData("Model", "Linear")]
    [InlineData("Model", "Parameters")]
    [InlineData("Model", "Index")]
    public void LayerOfAFreeName_Compiles(string kind, string name)
    {
        var compiled = Compiled.From(Declare(kind, $"[RmsNorm(nameof(c.Hidden), \"norm\")] private partial Flow {name}(Flow x);", $"{name}(x)"), RulePage.Shared);

        Assert.Empty(compiled.Errors);
        Assert.DoesNotContain(compiled.Output.GetDiagnostics(), d => d.Severity == DiagnosticSeverity.Warning && d.Location.IsInSource);
    }

    [Theory]
    [InlineData("Equals", "private partial Flow Equals(Flow x);", "Equals(x)")]
    [InlineData("All", "private partial Flow All(Flow x);", "All(x)")]
    public void LinearNamedLikeAMemberOfTheTypedLists_IsOneErrorAtTheName(string name, string member, string call) =>
        Refused(name, Declare("Block", $"[Linear(nameof(c.Hidden), nameof(c.Hidden), \"a\")] {member}", call));

    [Fact]
    public void LayerNamedLikeAFusedProduct_IsOneErrorAtTheName() => Refused("QK", Declare("Block", """
        [Linear(nameof(c.Hidden), nameof(c.Hidden), "q")] private partial Flow Q(Flow x);
        [Linear(nameof(c.Hidden), nameof(c.Hidden), "k")] private partial Flow K(Flow x);
        [RmsNorm(nameof(c.Hidden), "norm")] private partial Flow QK(Flow x);
        """, "Q(x) * K(x) + QK(x)"));

    [Fact]
    public void LinearNamedLikeTheSiteOfAPart_IsOneErrorAtTheName() => Refused("InnerUp", Declare("Block", """
        [Use<Mlp>("mlp", nameof(c.Hidden))] private partial Flow Inner(Flow x);
        [Linear(nameof(c.Hidden), nameof(c.Hidden), "a")] private partial Flow InnerUp(Flow x);
        """, "Inner(InnerUp(x))"), Switched);

    [Theory]
    [InlineData("Presets", "public int Presets => 1;")]
    [InlineData("Read", "public static int Read(string path) => path.Length;")]
    [InlineData("Write", "public bool Write => true;")]
    [InlineData("Check", "public bool Check => true;")]
    public void ConfigMemberOfATakenName_IsOneErrorAtTheName(string name, string member) =>
        Refused(name, $$"""
            [Config] public sealed partial record Odd
            {
                [Key("hidden")] public required int Hidden { get; init; }
                {{member}}
            }

            [Block("layers.{i}")] public sealed partial class Uses(Odd c)
            {
                [RmsNorm(nameof(c.Hidden), "norm")] private partial Flow Norm(Flow x);
                public Flow Forward(Flow x) => Norm(x);
            }
            """);

    public static TheoryData<string, string> Locals
    {
        get
        {
            var all = new TheoryData<string, string>();
            foreach (var kind in new[] { ClassKind.Part, ClassKind.Block, ClassKind.Model })
                foreach (var name in EmittedNames.Locals(kind)) all.Add(kind.ToString(), name);
            return all;
        }
    }

    [Theory, MemberData(nameof(Locals))]
    public void ParameterOfAnEmittedLocalsName_IsOneErrorAtTheName(string kind, string name)
    {
        var declaration = Declare(kind, "[RmsNorm(nameof(c.Hidden), \"norm\")] private partial Flow Norm(Flow y);", "Norm(x)");
        var compiled = Compiled.From(declaration.Replace("ToyConfig c", $"ToyConfig {name}").Replace("c.", $"{name}."), RulePage.Shared);

        var error = Assert.Single(compiled.Errors);
        Assert.Equal("GEN0009", error.Id);
        Assert.Equal(name, error.Location.SourceTree!.GetText().ToString(error.Location.SourceSpan));
    }

    /// <summary>Every variable of an emitted instance member is listed; those of passes are chosen so that they collide with nothing.</summary>
    [Theory, MemberData(nameof(Declarations))]
    public void EmittedLocals_AreListed(string name)
    {
        var sources = Sources(name);
        foreach (var type in Compiled.From(sources).Run.GeneratedTrees.SelectMany(tree => tree.GetRoot().DescendantNodes().OfType<ClassDeclarationSyntax>()))
        {
            if (type.Parent is TypeDeclarationSyntax || type.BaseList is null) continue; // sets and sites in a class; its second half with the graph
            Assert.Empty(Variables(type).Except(EmittedNames.Locals(Parse.Class(type.Identifier.ValueText, sources).Kind)));
        }
    }

    private static IEnumerable<string> Variables(ClassDeclarationSyntax type) => type.Members
        .Where(m => m is MethodDeclarationSyntax { Identifier.ValueText: var method } && !m.Modifiers.Any(SyntaxKind.StaticKeyword) && !m.Modifiers.Any(SyntaxKind.PartialKeyword)
                && !Passes.Any(pass => method.StartsWith(pass, StringComparison.Ordinal)))
        .SelectMany(m => m.DescendantNodes().Select(node => node switch
            {
                ParameterSyntax parameter => parameter.Identifier.ValueText,
                VariableDeclaratorSyntax variable => variable.Identifier.ValueText,
                ForEachStatementSyntax loop => loop.Identifier.ValueText,
                SingleVariableDesignationSyntax pattern => pattern.Identifier.ValueText,
                _ => null,
            }))
            .OfType<string>()
            .Where(v => !v.EndsWith("Layer", StringComparison.Ordinal)); // after the author's layers

    private static string[] Sources(string name) => name switch
    {
        "Llama" => [Declared.Llama],
        "ChatGlm" => [Declared.ChatGlm],
        "Bloom" => [Declared.Bloom],
        "GptJ" => [Declared.GptJ],
        _ => [Switched, RulePage.Shared],
    };

    private static void Refused(string name, params string[] sources)
    {
        var compiled = Compiled.From([.. sources, RulePage.Shared]);

        var error = Assert.Single(compiled.Errors);
        Assert.Equal("GEN0010", error.Id);
        Assert.Equal(name, error.Location.SourceTree!.GetText().ToString(error.Location.SourceSpan));
    }

    private static string Declare(string kind, string members, string forward) => kind switch
    {
        "Model" => $$"""
            [Model("declared")] public sealed partial class Toy(ToyConfig c)
            {
                [Embedding(nameof(c.Vocab), nameof(c.Hidden), "embed")] private partial Flow Embed(Tokens words);
                {{members}}
                public Flow Forward(Tokens words) { var x = Embed(words); return {{forward}}; }
            }
            """,
        _ => $$"""
            [{{(kind == "Block" ? "Block(\"blocks.{i}\")" : kind)}}] public sealed partial class Toy(ToyConfig c)
            {
                {{members}}
                public Flow Forward(Flow x) => {{forward}};
            }
            """,
    };

    private static Type Base(ClassKind kind) => kind switch
    {
        ClassKind.Part => typeof(Part),
        ClassKind.Block => typeof(Block),
        _ => typeof(CausalModel),
    };

    private static bool IsOverridable(MemberInfo member) => member switch
    {
        MethodInfo method => method.IsVirtual,
        PropertyInfo property => property.GetMethod!.IsVirtual,
        _ => false,
    };
}
