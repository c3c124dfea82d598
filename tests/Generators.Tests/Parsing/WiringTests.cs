using Generated.Generators.Graph;
using Generators.Tests.Diagnostics;

namespace Generators.Tests.Parsing;

/// <summary>What a wiring may say, construct by construct, and what it may not.</summary>
public sealed class WiringTests
{
    private static string Block(string members) => $$"""
        [Block("layers.{i}")]
        public sealed partial class ToyBlock(ToyConfig c)
        {
            [RmsNorm(nameof(c.Hidden), "norm")] private partial Flow Norm(Flow x);
            private const double Half = 0.5;
            private double Alpha => Math.Sqrt(2.0 * c.Layers);
            {{members}}
        }
        """;

    [Theory]
    [InlineData("2 * x", "2.0")]
    [InlineData("x * 2.5", "2.5")]
    [InlineData("Half * x", "0.5")]
    [InlineData("Alpha * x", "Alpha")]
    [InlineData("c.Epsilon * x", "c.Epsilon")]
    [InlineData("Math.Sqrt(2 * c.Layers) * x", "global::System.Math.Sqrt((2 * c.Layers))")]
    [InlineData("Math.Pow(y: 0.5, x: c.Layers) * x", "global::System.Math.Pow(c.Layers, 0.5)")]
    [InlineData("(1 / (double)c.Layers) * x", "(1.0 / (double)(c.Layers))")]
    [InlineData("(1 / c.Layers) * x", "(1 / c.Layers)")]
    [InlineData("-Alpha * x", "-(Alpha)")]
    [InlineData("(c.PostNorm ? 1 : Alpha) * x", "(c.PostNorm ? 1.0 : Alpha)")]
    [InlineData("Scaled(Alpha, x)", "Alpha")]
    [InlineData("Scaled(scale: 3, x: x)", "3.0")]
    public void Factor_IsPrintedAsCode(string expression, string code)
    {
        var block = Parse.Class("ToyBlock", Block(
            $"public Flow Forward(Flow x) => Norm({expression}); private static Flow Scaled(double scale, Flow x) => scale * x;"), RulePage.Shared);

        var scale = Assert.Single(block.Bodies[0].Nodes, n => n.Op == NodeOp.Scale);
        Assert.Equal([0], scale.Inputs);
        Assert.Equal(code, scale.Factor);
    }

    [Fact]
    public void LocalNumber_IsReplacedByItsValue()
    {
        var block = Parse.Class("ToyBlock", Block(
            "public Flow Forward(Flow x) { var a = Alpha / 2; var y = a * x; return Norm(y); }"), RulePage.Shared);

        Assert.Equal("0 Input()\n1 y = Scale(0) by (Alpha / 2.0)\n2 Norm(1)\nreturn 2", block.Bodies[0].Text());
    }

    [Fact]
    public void Alias_IsNoNode()
    {
        var block = Parse.Class("ToyBlock", Block("public Flow Forward(Flow x) { var y = x; var z = y; return Norm(z) + y; }"), RulePage.Shared);

        Assert.Equal("0 Input()\n1 Norm(0)\n2 Add(1, 0)\nreturn 2", block.Bodies[0].Text());
    }

    [Fact]
    public void HelperCalledTwice_IsInlinedTwice()
    {
        var block = Parse.Class("ToyBlock", Block(
            "public Flow Forward(Flow x) => Norm(Twice(Twice(x))); private Flow Twice(Flow y) { var z = y + y; return z; }"), RulePage.Shared);

        Assert.Equal("0 Input()\n1 z = Add(0, 0)\n2 z = Add(1, 1)\n3 Norm(2)\nreturn 3", block.Bodies[0].Text());
    }

    [Fact]
    public void UnusedSection_IsDiscarded()
    {
        var block = Parse.Class("ToyBlock", Block(
            """
            [Linear(nameof(c.Hidden), nameof(c.QkvWidth), "qkv")] private partial Flow Qkv(Flow x);
            [Sections(nameof(c.QWidth), nameof(c.QWidth), nameof(c.QWidth))] private partial Flow3 Cut(Flow x);
            public Flow Forward(Flow x) { Flow3 cut = Cut(Qkv(Norm(x))); (var q, _, var v) = cut; return q + v; }
            """), RulePage.Shared);

        Assert.Equal(
            "0 Input()\n1 Norm(0)\n2 Qkv(1)\n3 cut = Cut(2)\n4 q = Section(3) part 0\n5 v = Section(3) part 2\n6 Add(4, 5)\nreturn 6".Replace("cut = ", ""),
            block.Bodies[0].Text());
    }

    /// <summary>Everything off the language is refused once, at the construct.</summary>
    [Theory]
    [InlineData("public Flow Forward(Flow x) { for (var i = 0; i < 3; i++) { } return Norm(x); }", "GEN0101", "for")]
    [InlineData("public Flow Forward(Flow x) { while (true) { } }", "GEN0101", "while")]
    [InlineData("public Flow Forward(Flow x) { foreach (var i in new[] { 1 }) { } return Norm(x); }", "GEN0101", "foreach")]
    [InlineData("public Flow Forward(Flow x) { switch (c.Layers) { default: return Norm(x); } }", "GEN0101", "switch")]
    [InlineData("public Flow Forward(Flow x) { throw new Exception(); }", "GEN0101", "throw")]
    [InlineData("public Flow Forward(Flow x) { try { return Norm(x); } finally { } }", "GEN0101", "try")]
    [InlineData("public Flow Forward(Flow x) { { return Norm(x); } }", "GEN0101", "{")]
    [InlineData("public Flow Forward(Flow x) { Flow Inner(Flow y) => y; return Norm(Inner(x)); }", "GEN0101", "Flow")]
    [InlineData("public Flow Forward(Flow x) { Norm(x); return x; }", "GEN0101", "Norm(x)")]
    [InlineData("public Flow Forward(Flow x) { var y = Norm(x); y += x; return y; }", "GEN0104", "y")]
    [InlineData("public Flow Forward(Flow x) { x = Norm(x); return x; }", "GEN0104", "x")]
    [InlineData("public Flow Forward(Flow x) { var n = 1; n++; return n * Norm(x); }", "GEN0104", "n")]
    [InlineData("public Flow Forward(Flow x) { Flow y; y = Norm(x); return y; }", "GEN0101", "y")]
    [InlineData("public Flow Forward(Flow x) => Norm(Other.Of(x));", "GEN0102", "Of")]
    [InlineData("public Flow Forward(Flow x) => new ToyBlock(c).Forward(Norm(x));", "GEN0102", "Forward")]
    [InlineData("public Flow Forward(Flow x) => c.PostNorm switch { true => Norm(x), false => x };", "GEN0103", "c.PostNorm switch { true => Norm(x), false => x }")]
    [InlineData("public Flow Forward(Flow x) => Norm(default);", "GEN0103", "default")]
    [InlineData("public Flow Forward(Flow x) => Forward(Norm(x));", "GEN0107", "Forward")]
    [InlineData("public Flow Forward(Flow x) => A(Norm(x)); private Flow A(Flow x) => B(x); private Flow B(Flow x) => A(x);", "GEN0107", "A")]
    [InlineData("public Flow Forward(Flow x) { var w = Environment.TickCount; return w * Norm(x); }", null, null)]
    public void OffLanguage_IsRefusedOnce(string members, string? rule, string? place)
    {
        var compiled = Compiled.From(
            Block(members), RulePage.Shared, "public static class Other { public static Flow Of(Flow x) => x; }");

        if (rule is null)
        {
            Assert.Empty(compiled.Errors);
            return;
        }

        var error = Assert.Single(compiled.Errors);
        Assert.Equal(rule, error.Id);
        Assert.Equal(place, error.Location.SourceTree!.GetText().ToString(error.Location.SourceSpan));
    }

    /// <summary>What the C# compiler refuses is not refused again.</summary>
    [Theory]
    [InlineData("public Flow Forward(Flow x) => Norm(y);", "CS0103")]
    [InlineData("public Flow Forward(Flow x) => Norm(x, x);", "CS1501")]
    [InlineData("public Flow Forward(Flow x) => Norm(x) - x;", "CS0019")]
    [InlineData("public Flow Forward(Flow x) { Norm(x) }", "CS1002")]
    [InlineData("public Flw Forward(Flow x) => Norm(x);", "CS0246")]
    [InlineData("[Linear(nameof(c.Hiden), nameof(c.Hidden), \"l\")] private partial Flow L(Flow x); public Flow Forward(Flow x) => L(Norm(x));", "CS1061")]
    public void CompilerErrors_AreNotRepeated(string members, string expected)
    {
        var compiled = Compiled.From(Block(members), RulePage.Shared);

        Assert.DoesNotContain(compiled.Errors, e => e.Id.StartsWith("GEN", StringComparison.Ordinal));
        Assert.Contains(compiled.Errors, e => e.Id == expected);
        Assert.All(compiled.Errors, e => Assert.True(e.Location.SourceTree!.FilePath.StartsWith("Source", StringComparison.Ordinal), e.ToString()));
    }
}
