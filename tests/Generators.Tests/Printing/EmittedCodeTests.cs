using Generators.Tests.Declarations;
using Microsoft.CodeAnalysis;

namespace Generators.Tests.Printing;

/// <summary>Emitted code compiles against the runtime, without a warning, for the published architectures and for rarer constructs.</summary>
public sealed class EmittedCodeTests
{
    private const string Config = """
        [Config]
        public sealed partial record TestConfig
        {
            [Key("vocab_size")] public required int Vocab { get; init; }
            [Key("hidden_size")] public required int Hidden { get; init; }
            [Key("layers")] public required int Layers { get; init; }
            [Key("ffn")] public int Ffn { get; init; } = 8;
            [Key("wide")] public bool Wide { get; init; }
            [Key("twice")] public bool Twice { get; init; }
            [Key("alpha")] public double Alpha { get; init; } = 1;
            [Key("activation")] public string? Activation { get; init; }
            [Key("sizes")] public int[] Sizes { get; init; } = [];
            [Key("limit")] public int? Limit { get; init; }
            [Key("scaling")] public RopeScaling? Scaling { get; init; }
        }
        """;

    [Theory]
    [InlineData("Llama")]
    [InlineData("ChatGlm")]
    [InlineData("Bloom")]
    [InlineData("GptJ")]
    public void PublishedArchitecture_Compiles(string name) => Clean(name switch
    {
        "Llama" => Declared.Llama,
        "ChatGlm" => Declared.ChatGlm,
        "Bloom" => Declared.Bloom,
        _ => Declared.GptJ,
    });

    [Fact]
    public void Part_OptionalAndSwitchedAndScaled_Compiles() => Clean(Config, """
        [Part] public sealed partial class Mlp(TestConfig config, int width, int ffn)
        {
            private double Half => 0.5 * config.Alpha;
            [Linear(nameof(width), nameof(ffn), "up", BiasWhen = nameof(config.Wide))] private partial Flow Up(Flow x);
            [Linear(nameof(ffn), nameof(width), "down", When = nameof(config.Wide))] private partial Flow Down(Flow x);
            public Flow Forward(Flow x) => Half * Down(Gelu(Up(x)));
            [ForwardWhen(nameof(config.Twice))] private Flow ForwardTwice(Flow x) => Down(Relu(Up(x))) * 2.0;
        }

        [Block("layers.{i}")] public sealed partial class TestBlock(TestConfig c)
        {
            [Use<Mlp>("mlp", nameof(c.Hidden), nameof(c.Hidden), When = nameof(c.Wide))] private partial Flow Mlp(Flow x);
            [LayerNorm(nameof(c.Hidden), "norm", Bias = false)] private partial Flow Norm(Flow x);
            public Flow Forward(Flow x) { var h = x + Mlp(x); return Norm(h); }
        }

        [Model("test")] public sealed partial class TestModel(TestConfig c)
        {
            [Embedding(nameof(c.Vocab), nameof(c.Hidden), "embed")] private partial Flow Embed(Tokens ids);
            [Repeat<TestBlock>(nameof(c.Layers))] private partial Flow Blocks(Flow x);
            [Linear(nameof(c.Hidden), nameof(c.Vocab), "head", UnitRowsWhen = nameof(c.Wide))] private partial Flow Head(Flow x);
            public Flow Forward(Tokens ids) => Head(Blocks(Embed(ids)));
        }
        """);

    [Fact]
    public void Part_InsideAPart_WithItsOwnFactor_Compiles() => Clean(Config, """
        [Part] public sealed partial class Inner(TestConfig k, int width)
        {
            private double Gain => k.Alpha;
            [Linear(nameof(width), nameof(width), "a")] private partial Flow A(Flow x);
            public Flow Forward(Flow x) => Gain * A(x);
        }

        [Part] public sealed partial class Outer(int size, TestConfig config)
        {
            [Use<Inner>("inner", nameof(size))] private partial Flow Body(Flow x);
            public Flow Forward(Flow x) => x + Body(x);
        }

        [Block("layers.{i}")] public sealed partial class TestBlock(TestConfig c)
        {
            [Use<Outer>("outer", nameof(c.Hidden))] private partial Flow Both(Flow x);
            public Flow Forward(Flow x) => Both(x);
        }
        """);

    [Fact]
    public void Names_OfLocalsThatAreKeywordsOrParameters_Compile() => Clean(Config, """
        [Block("layers.{i}")] public sealed partial class TestBlock(TestConfig pass_config)
        {
            [Linear(nameof(pass_config.Hidden), nameof(pass_config.Hidden), "base")] private partial Flow Base(Flow x);
            [Linear(nameof(pass_config.Hidden), nameof(pass_config.Hidden), "x")] private partial Flow X(Flow x);
            [Linear(nameof(pass_config.Hidden), nameof(pass_config.Hidden), "pass")] private partial Flow Pass(Flow value);
            public Flow Forward(Flow x)
            {
                var pass = Base(x);
                var @class = X(pass) + x;
                return Pass(@class);
            }
        }
        """);

    [Fact]
    public void Block_WithoutWeights_Compiles() => Clean(Config, """
        [Part] public sealed partial class Activation
        {
            public Flow Forward(Flow x) => Silu(x) * x;
        }

        [Block("layers.{i}")] public sealed partial class TestBlock(TestConfig c)
        {
            [Use<Activation>("")] private partial Flow Act(Flow x);
            public Flow Forward(Flow x) => x + c.Alpha * Act(x);
        }

        [Model("test")] public sealed partial class TestModel(TestConfig c)
        {
            [Embedding(nameof(c.Vocab), nameof(c.Hidden), "embed")] private partial Flow Embed(Tokens ids);
            [Repeat<TestBlock>(nameof(c.Layers))] private partial Flow Blocks(Flow x);
            public Flow Forward(Tokens ids) => Blocks(Embed(ids));
        }
        """);

    [Fact]
    public void Block_ThatReturnsWhatItIsGiven_Compiles() => Clean(Config, """
        [Block("layers.{i}")] public sealed partial class TestBlock(TestConfig c)
        {
            [LayerNorm(nameof(c.Hidden), "norm", When = nameof(c.Wide))] private partial Flow Norm(Flow x);
            public Flow Forward(Flow x) => Norm(x);
        }
        """);

    [Fact]
    public void Model_OfTwoKindsOfBlocks_AndWithoutAHead_Compiles() => Clean(Config, """
        [Block("first.{i}")] public sealed partial class First(TestConfig c)
        {
            [LayerNorm(nameof(c.Hidden), "norm")] private partial Flow Norm(Flow x);
            public Flow Forward(Flow x) => x + Norm(x);
        }

        [Block("second.{i}")] public sealed partial class Second(TestConfig c)
        {
            [RmsNorm(nameof(c.Hidden), "norm")] private partial Flow Norm(Flow x);
            public Flow Forward(Flow x) => x + Norm(x);
        }

        [Model("test"), Ignore("buffer")] public sealed partial class TestModel(TestConfig c)
        {
            [Embedding(nameof(c.Vocab), nameof(c.Hidden), "embed")] private partial Flow Embed(Tokens ids);
            [Repeat<First>(nameof(c.Layers))] private partial Flow A(Flow x);
            [Repeat<Second>(nameof(c.Layers))] private partial Flow B(Flow x);
            public Flow Forward(Tokens ids) { var e = Embed(ids); return B(A(e)) + e; }
        }
        """);

    [Fact]
    public void Emitted_Code_HasUnixLineEnds_AndNoTrailingBlanks()
    {
        foreach (var tree in Compiled.From(Declared.Bloom).Run.GeneratedTrees)
        {
            var text = tree.GetText().ToString();
            Assert.DoesNotContain('\r', text);
            Assert.DoesNotContain(" \n", text);
            Assert.DoesNotContain("\n\n\n", text);
            Assert.EndsWith("\n", text);
            Assert.False(text.EndsWith("\n\n", StringComparison.Ordinal));
        }
    }

    private static void Clean(params string[] sources)
    {
        var compiled = Compiled.From(sources);
        var emitted = compiled.Run.GeneratedTrees.ToHashSet();
        Assert.Empty(compiled.Errors);
        Assert.NotEmpty(emitted);
        var warnings = compiled.Output.GetDiagnostics().Where(d => d.Severity >= DiagnosticSeverity.Warning && d.Location.SourceTree is { } tree && emitted.Contains(tree));
        Assert.Empty(warnings);
    }
}
