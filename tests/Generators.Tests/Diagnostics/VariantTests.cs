using Microsoft.CodeAnalysis;

namespace Generators.Tests.Diagnostics;

/// <summary>Rules that several constructs break: the variants their pages do not show, each with the marked text.</summary>
public sealed class VariantTests
{
    private const string Norm = "[RmsNorm(nameof(c.Hidden), \"norm\")] private partial Flow Norm(Flow x);";

    private static string Block(string members, string header = "public sealed partial class ToyBlock(ToyConfig c)", string attribute = "[Block(\"layers.{i}\")]") =>
        $$"""
        {{attribute}}
        {{header}}
        {
            {{members}}
        }
        """;

    public static TheoryData<string, string, string> Shapes => new()
    {
        { "GEN0001", "ToyBlock", Block("public Flow Forward(Flow x) => x;", "public sealed class ToyBlock(ToyConfig c)") },
        { "GEN0004", "Forward", Block("public Tokens Forward(Flow x) => default;") },
        { "GEN0004", "Forward", Block("public Flow Forward(Tokens x) => default;") },
        { "GEN0004", "Forward", Block("public static Flow Forward(Flow x) => x;") },
        { "GEN0004", "Other", Block(Norm + "public Flow Forward(Flow x) => Norm(x); [ForwardWhen(nameof(c.PostNorm))] private double Other(Flow x) => 1;") },
        { "GEN0005", "ToyBlock", Block("public Flow Forward(Flow x) => x;", "public sealed partial record ToyBlock(ToyConfig c)") },
        { "GEN0005", "ToyBlock", Block("public Flow Forward(Flow x) => x;", "public sealed partial class ToyBlock<T>(ToyConfig c)") },
        { "GEN0005", "ToyBlock", Block("public Flow Forward(Flow x) => x;", "public abstract partial class ToyBlock(ToyConfig c)") },
        { "GEN0005", "ToyBlock", Block("public Flow Forward(Flow x) => x;", "public sealed partial class ToyBlock(ToyConfig c) : List<int>").Replace("[Block", "using System.Collections.Generic;\n[Block") },
        { "GEN0005", "ToyBlock", $"public static partial class Outer {{ {Block("public Flow Forward(Flow x) => x;")} }}" },
        { "GEN0005", "ToyBlock", Block("public Flow Forward(Flow x) => x;", "public sealed partial class ToyBlock") },
        { "GEN0007", "Norm", Block("[RmsNorm(nameof(c.Hidden), \"norm\")] private partial Flow Norm(Flow x, Flow y); public Flow Forward(Flow x) => x;") },
        { "GEN0007", "Norm", Block("[RmsNorm(nameof(c.Hidden), \"norm\")] private Flow Norm(Flow x) => x; public Flow Forward(Flow x) => Norm(x);") },
        { "GEN0007", "Embed", Block("[Embedding(nameof(c.Vocab), nameof(c.Hidden), \"embed\")] private partial Flow Embed(Flow x); public Flow Forward(Flow x) => Embed(x);") },
        { "GEN0007", "Cut", Block("[Sections(nameof(c.Hidden), nameof(c.Hidden))] private partial Flow3 Cut(Flow x); public Flow Forward(Flow x) => x;") },
        { "GEN0007", "Sections", Block("[Sections(nameof(c.Hidden))] private partial Flow Cut(Flow x); public Flow Forward(Flow x) => x;") },
        { "GEN0009", "width", Block("public Flow Forward(Flow x) => x;", "public sealed partial class ToyBlock(ToyConfig c, int width)") },
        { "GEN0009", "d", Block("public Flow Forward(Flow x) => x;", "public sealed partial class ToyBlock(ToyConfig c, ToyConfig d)") },
    };

    public static TheoryData<string, string, string> Names => new()
    {
        { "GEN0402", "\"norm.weight\"", Block("[RmsNorm(nameof(c.Hidden), \"norm.weight\")] private partial Flow Norm(Flow x); public Flow Forward(Flow x) => Norm(x);") },
        { "GEN0402", "\"norm.{i}\"", Block("[RmsNorm(nameof(c.Hidden), \"norm.{i}\")] private partial Flow Norm(Flow x); public Flow Forward(Flow x) => Norm(x);") },
        { "GEN0402", "\"\"", Block("[RmsNorm(nameof(c.Hidden), \"\")] private partial Flow Norm(Flow x); public Flow Forward(Flow x) => Norm(x);") },
        { "GEN0402", "\"a..b\"", Block("[RmsNorm(nameof(c.Hidden), \"a..b\")] private partial Flow Norm(Flow x); public Flow Forward(Flow x) => Norm(x);") },
        { "GEN0402", "\"{i}.{i}\"", Block(Norm + "public Flow Forward(Flow x) => Norm(x);", attribute: "[Block(\"{i}.{i}\")]") },
        { "GEN0402", "\"layers\"", Block(Norm + "public Flow Forward(Flow x) => Norm(x);", attribute: "[Block(\"l.{i}\", Paddle = \"layers\")]") },
        { "GEN0402", "\"p{\"", Block("[RmsNorm(nameof(c.Hidden), \"norm\", Paddle = \"p{\")] private partial Flow Norm(Flow x); public Flow Forward(Flow x) => Norm(x);") },
        { "GEN0401", "\"norm\"", Block(Norm + "[RmsNorm(nameof(c.Hidden), \"norm\")] private partial Flow More(Flow x); public Flow Forward(Flow x) => More(Norm(x));") },
    };

    public static TheoryData<string, string, string> Members => new()
    {
        { "GEN0502", "nameof(c.Hidden)", Block("[RmsNorm(nameof(c.Hidden), \"norm\", When = nameof(c.Hidden))] private partial Flow Norm(Flow x); public Flow Forward(Flow x) => Norm(x);") },
        { "GEN0502", "nameof(c.PostNorm)", Block("[RmsNorm(nameof(c.Hidden), \"norm\", Epsilon = nameof(c.PostNorm))] private partial Flow Norm(Flow x); public Flow Forward(Flow x) => Norm(x);") },
        { "GEN0502", "nameof(c.Epsilon)", Block("[Rotary(nameof(c.HeadDim), Scaling = nameof(c.Epsilon))] private partial Flow Rope(Flow x); public Flow Forward(Flow x) => Rope(x);") },
        { "GEN0502", "nameof(c.Hidden)", Block(Norm + "public Flow Forward(Flow x) => Norm(x); [ForwardWhen(nameof(c.Hidden))] private Flow Other(Flow x) => Norm(x);") },
        {
            "GEN0502", "nameof(c.Epsilon)", Block(Norm + "public Flow Forward(Flow x) => Norm(x);") + """

            [Model("toy")]
            public sealed partial class ToyModel(ToyConfig c)
            {
                [Embedding(nameof(c.Vocab), nameof(c.Hidden), "embed")] private partial Flow Embed(Tokens ids);
                [Repeat<ToyBlock>(nameof(c.Epsilon))] private partial Flow Blocks(Flow x);
                public Flow Forward(Tokens ids) => Blocks(Embed(ids));
            }
            """
        },
        { "GEN0501", "\"Nothing\"", Block("[RmsNorm(nameof(c.Hidden), \"norm\", When = \"Nothing\")] private partial Flow Norm(Flow x); public Flow Forward(Flow x) => Norm(x);") },
        { "GEN0501", "nameof(Math.Max)", Block("[RmsNorm(nameof(Math.Max), \"norm\")] private partial Flow Norm(Flow x); public Flow Forward(Flow x) => Norm(x);") },
    };

    private static string Config(string members, string header = "public sealed partial record TinyConfig") => $$"""
        [Config]
        {{header}}
        {
            [Key("hidden_size")] public required int Hidden { get; init; }
            {{members}}
        }
        """;

    private static string Model(string scheme, string type = "Scheme") => $$"""
        {{scheme}}

        [Model("toy"), Inputs<{{type}}>]
        public sealed partial class ToyModel(ToyConfig c)
        {
            [Embedding(nameof(c.Vocab), nameof(c.Hidden), "embed")] private partial Flow Embed(Tokens ids);
            [Linear(nameof(c.Hidden), nameof(c.Vocab), "head")] private partial Flow Head(Flow x);
            public Flow Forward(Tokens ids) => Head(Embed(ids));
        }
        """;

    private static string Scheme(string header, string members = "") => $$"""
        {{header}} : Generated.Passes.IInputScheme
        {
            {{members}}
            public Generated.Passes.SequenceInputs Prompt(Generated.Passes.TokenBatch batch) => Generated.Passes.CausalInputs.Instance.Prompt(batch);
            public Generated.Passes.SequenceInputs Continue(Generated.Passes.SequenceInputs previous, int count = 1) => Generated.Passes.CausalInputs.Instance.Continue(previous, count);
        }
        """;

    public static TheoryData<string, string, string> Inputs => new()
    {
        { "GEN0516", "Generated.Passes.IInputScheme", Model("", "Generated.Passes.IInputScheme") },
        { "GEN0516", "Scheme", Model(Scheme("public class Scheme")) },
        { "GEN0516", "Scheme", Model(Scheme("public class Scheme(int width)", "public int Width => width;")) },
        { "GEN0516", "Scheme", Model(Scheme("public class Scheme(ToyConfig c, int width)", "public int Width => c.Hidden + width;")) },
        { "GEN0516", "Scheme", Model(Scheme("public class Scheme", "private Scheme(ToyConfig c) { }")) },
    };

    /// <summary>Schemes that emitted code can create: by the config, by more that is optional, the default one.</summary>
    [Theory]
    [InlineData("public sealed class Scheme(ToyConfig c)", "public int Width => c.Hidden;")]
    [InlineData("internal class Scheme(object c, int width = 1)", "public int Width => width + c.GetHashCode();")]
    [InlineData("public class Scheme", "public Scheme(string name) { } internal Scheme(ToyConfig c) { }")]
    public void SoundScheme_BreaksNothing(string header, string members)
    {
        var compiled = Compiled.From(Model(Scheme(header, members)), RulePage.Shared);

        Assert.Empty(compiled.Errors);
        Assert.Empty(Compiled.From(Model("", "Generated.Passes.CausalInputs"), RulePage.Shared).Errors);
    }

    public static TheoryData<string, string, string> Configs => new()
    {
        { "GEN0503", "TinyConfig", Config("", "public sealed partial class TinyConfig") },
        { "GEN0503", "TinyConfig", Config("", "public abstract partial record TinyConfig") },
        { "GEN0503", "TinyConfig", Config("", "public sealed partial record TinyConfig<T>") },
        { "GEN0507", "Tiny", Config("[Preset(\"tiny\")] public TinyConfig Tiny => new() { Hidden = 1 };") },
        { "GEN0507", "Tiny", Config("[Preset(\"tiny\")] private static TinyConfig Tiny => new() { Hidden = 1 };") },
        { "GEN0507", "Tiny", Config("[Preset(\"tiny\")] public static TinyConfig Tiny { get { var c = new TinyConfig { Hidden = 1 }; return c; } }") },
        { "GEN0204", "Tiny", Config("[Key(\"heads\")] public required int Heads { get; init; } public int Half => Hidden / 2; [Preset(\"tiny\")] public static TinyConfig Tiny => new() { Hidden = 9, Heads = 3 };") },
        { "GEN0505", "Names", Config("[Key(\"names\")] public string[] Names { get; init; } = [];") },
    };

    [Theory]
    [MemberData(nameof(Shapes)), MemberData(nameof(Names)), MemberData(nameof(Members)), MemberData(nameof(Configs)), MemberData(nameof(Inputs))]
    public void Variant_BreaksTheRuleAtThePlace(string id, string place, string source)
    {
        var compiled = Compiled.From(source, RulePage.Shared);

        var diagnostic = Assert.Single(compiled.Diagnostics, d => d.Severity == DiagnosticSeverity.Error);
        Assert.Equal(id, diagnostic.Id);
        Assert.Equal(place, diagnostic.Location.SourceTree!.GetText().ToString(diagnostic.Location.SourceSpan));
    }

    /// <summary>Divisions that are meant to round, and hand-written halves without layers, are left alone.</summary>
    [Theory]
    [InlineData("public int Ffn => (8 * Hidden / 3 + 255) / 256 * 256; [Preset(\"tiny\")] public static TinyConfig Tiny => new() { Hidden = 4096 };")]
    [InlineData("public int Ffn => 8 * Hidden / 3; [Preset(\"tiny\")] public static TinyConfig Tiny => new() { Hidden = 4096 };")]
    [InlineData("public int Half => Hidden / 2; [Preset(\"tiny\")] public static TinyConfig Tiny { get; } = new TinyConfig { Hidden = 8 };")]
    [InlineData("[Key(\"scale\")] public float? Scale { get; init; } [Key(\"sizes\")] public int[] Sizes { get; init; } = [];")]
    public void SoundConfig_BreaksNothing(string members)
    {
        var compiled = Compiled.From(Config(members));

        Assert.Empty(compiled.Diagnostics);
        Assert.Empty(compiled.Errors);
    }
}
