using Generators.Tests.Declarations;

namespace Generators.Tests.Diagnostics;

/// <summary>One mistake is one error, also where other declarations rest on the wrong one.</summary>
public sealed class OneMistakeTests
{
    [Theory]
    [InlineData("Q(x)", "Qu(x)", "CS0103")]
    [InlineData("Silu(Gate(x)) * Up(x)", "Silu(Gate(x))", "GEN0106")]
    [InlineData("h + Mlp(MlpNorm(h))", "h + Q(MlpNorm(h))", "GEN0105")]
    [InlineData("nameof(c.QWidth), nameof(c.Hidden), \"self_attn.o_proj\"", "nameof(c.Ffn), nameof(c.Hidden), \"self_attn.o_proj\"", "GEN0201")]
    [InlineData("\"mlp\", nameof(c.Hidden), nameof(c.Ffn)", "\"mlp\", nameof(c.Hidden)", "GEN0508")]
    [InlineData("\"self_attn.k_proj\"", "\"self_attn.q_proj\"", "GEN0401")]
    [InlineData("\"model.layers.{i}\"", "\"model.layers\"", "GEN0402")]
    [InlineData("[Key(\"hidden_size\")] public required int Hidden", "public required int Hidden", "GEN0504")]
    [InlineData("KvHeads = 8", "KvHeads = 7", "GEN0205")]
    public void Mistake_IsOneErrorOrWarning(string before, string after, string expected)
    {
        Assert.Contains(before, Declared.Llama);

        var compiled = Compiled.From(Declared.Llama.Replace(before, after));

        var mistakes = compiled.Errors.Select(e => e.Id).Concat(compiled.Diagnostics.Where(d => d.Severity == Microsoft.CodeAnalysis.DiagnosticSeverity.Warning).Select(d => d.Id));
        Assert.Contains(expected, mistakes);
        if (expected != "GEN0105") Assert.Single(mistakes);
    }

    [Theory]
    [InlineData("nameof(c.QWidth), \"self_attn.q_proj\"", "nameof(c.Ffn), \"self_attn.q_proj\"")]
    [InlineData("LlamaBlock(LlamaConfig c)", "LlamaBlock(in LlamaConfig c)")]
    [InlineData("GatedMlp(int hidden, int ffn)", "GatedMlp(int hidden, in int ffn)")]
    public void Mistake_LeavesNoWarningThatTheConfigIsUnread(string before, string after)
    {
        Assert.Contains(before, Declared.Llama);

        var compiled = Compiled.From(Declared.Llama.Replace(before, after));

        Assert.All(compiled.Errors, error => Assert.StartsWith("GEN", error.Id, StringComparison.Ordinal));
        Assert.NotEmpty(compiled.Errors);
        if (!after.Contains("in ", StringComparison.Ordinal)) Assert.DoesNotContain(compiled.Output.GetDiagnostics(), d => d.Id == "CS9113");
    }

    [Theory]
    [InlineData("var h = x + Attention(AttnNorm(x));", "var h = x + Attention(AttnNorm(x)); if (c.Hidden > 2) return h;")]
    [InlineData("var h = x + Attention(AttnNorm(x));", "var h = x + Attention(AttnNorm(x)); for (;;) { }")]
    public void StatementOutsideTheLanguage_LeavesNothingUnused(string before, string after)
    {
        Assert.Contains(before, Declared.Llama);

        var compiled = Compiled.From(Declared.Llama.Replace(before, after));

        Assert.DoesNotContain(compiled.Diagnostics, d => d.Id == "GEN0108");
        Assert.Contains(compiled.Diagnostics, d => d.Id == "GEN0101");
    }

    [Fact]
    public void MutualUse_IsOneRecursion()
    {
        var compiled = Compiled.From(
            """
            [Part]
            public sealed partial class Ping(int hidden)
            {
                [Use<Pong>("pong", nameof(hidden))] private partial Flow Inner(Flow x);
                public Flow Forward(Flow x) => x + Inner(x);
            }

            [Part]
            public sealed partial class Pong(int hidden)
            {
                [Use<Ping>("ping", nameof(hidden))] private partial Flow Inner(Flow x);
                public Flow Forward(Flow x) => x + Inner(x);
            }
            """);

        Assert.Equal("GEN0511", Assert.Single(compiled.Errors).Id);
    }

    [Fact]
    public void TwoKindsOnOneClass_AreRefusedOnce()
    {
        var compiled = Compiled.From(
            """
            [Block("layers.{i}"), Part]
            public sealed partial class Both(ToyConfig c)
            {
                public Flow Forward(Flow x) => x + x;
            }
            """,
            RulePage.Shared);

        Assert.Equal("GEN0005", Assert.Single(compiled.Errors).Id);
    }

    [Fact]
    public void UnfinishedText_NeverStopsTheCompiler()
    {
        var text = Declared.Llama[Declared.Llama.IndexOf("[Block", StringComparison.Ordinal)..];
        for (var length = 0; length < text.Length; length += 97)
        {
            var run = Compiled.Driver().RunGenerators(Source.Compilation(text[..length], RulePage.Shared)).GetRunResult();
            Assert.Null(run.Results.Single().Exception);
        }
    }

    [Fact]
    public void RandomEdits_NeverStopTheCompiler()
    {
        const int Seed = 5, Rounds = 60;
        var random = new Random(Seed);
        foreach (var declaration in new[] { Declared.Llama, Declared.ChatGlm, Declared.Bloom, Declared.GptJ })
        {
            for (var round = 0; round < Rounds; round++)
            {
                var tokens = System.Text.RegularExpressions.Regex.Split(declaration, @"(\W)");
                var edits = random.Next(1, 4);
                for (var i = 0; i < edits; i++) tokens[random.Next(tokens.Length)] = random.Next(3) == 0 ? "" : tokens[random.Next(tokens.Length)];
                var text = string.Concat(tokens);
                var run = Compiled.Driver().RunGenerators(Source.Compilation(text)).GetRunResult();
                Assert.True(run.Results.Single().Exception is null, $"{run.Results.Single().Exception}\n{text}");
            }
        }
    }
}
