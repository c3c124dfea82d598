using System.Collections;
using System.Globalization;
using System.Reflection;
using Generated.Generators;
using Generators.Tests.Declarations;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;

namespace Generators.Tests.Incremental;

/// <summary>What an edit recomputes.</summary>
public sealed class CachingTests
{
    private static readonly string[] SourceSteps = [TrackingNames.ClassSpecs, TrackingNames.ConfigSpecs, TrackingNames.Registry];

    [Fact]
    public void AddedComment_RecomputesNoSource() => AssertNothingRecomputed(RunTwice(
        "return h + Mlp(MlpNorm(h));", "// The second residual.\n        return h + Mlp(MlpNorm(h));"));

    [Fact]
    public void MovedDeclaration_RecomputesNoSource() => AssertNothingRecomputed(RunTwice("namespace Declared;", "\n\n\nnamespace Declared;\n"));

    [Fact]
    public void UnrelatedClass_RecomputesNoSource() => AssertNothingRecomputed(RunTwice(
        "namespace Declared;", "namespace Declared;\n\npublic sealed class Unrelated { public int Value => 3; }"));

    [Fact]
    public void UnrelatedFile_RecomputesNoSource()
    {
        var compilation = Source.Compilation(Declared.Llama);
        AssertNothingRecomputed(RunTwice(compilation, compilation.AddSyntaxTrees(Source.Tree("public sealed class Unrelated;", "Unrelated.cs"))));
    }

    [Fact]
    public void RenamedWeight_RecomputesItsClassOnly()
    {
        var run = RunTwice("\"model.norm\"", "\"model.final_norm\"");

        Assert.Equal(["Declared.Llama.g.cs"], Changed(run));
    }

    [Fact]
    public void RewiredPart_RecomputesWhatUsesIt()
    {
        var run = RunTwice("Down(Silu(Gate(x)) * Up(x))", "Down(Gelu(Gate(x)) * Up(x))");

        Assert.DoesNotContain("Declared.LlamaConfig.g.cs", Changed(run));
        Assert.DoesNotContain("GeneratedArchitectures.g.cs", Changed(run));
        Assert.Contains("Declared.GatedMlp.g.cs", Changed(run));
        Assert.Contains("Declared.LlamaBlock.g.cs", Changed(run));
    }

    [Fact]
    public void TrackedSteps_HoldNoCompilerObject()
    {
        var run = RunTwice("namespace Declared;", "namespace Declared;\n");

        foreach (var output in SourceSteps.SelectMany(name => run.Results.Single().TrackedSteps[name]).SelectMany(step => step.Outputs))
            AssertFree(output.Value, new HashSet<object>(ReferenceEqualityComparer.Instance));
    }

    [Fact]
    public void Culture_DoesNotReachEmittedCode()
    {
        var expected = Texts();
        var culture = CultureInfo.CurrentCulture;
        try
        {
            var odd = (CultureInfo)CultureInfo.InvariantCulture.Clone();
            odd.NumberFormat.NumberDecimalSeparator = ",";
            odd.NumberFormat.NegativeSign = "~";
            CultureInfo.CurrentCulture = odd;
            Assert.Equal(expected, Texts());
        }
        finally
        {
            CultureInfo.CurrentCulture = culture;
        }
    }

    [Fact]
    public void EmittedCode_HasUnixLineEnds() => Assert.All(Texts(), text => Assert.DoesNotContain('\r', text));

    private static List<string> Texts() =>
        Compiled.From(Declared.Llama).Run.GeneratedTrees.Select(t => t.GetText().ToString()).ToList();

    private static GeneratorDriverRunResult RunTwice(string before, string after)
    {
        Assert.Contains(before, Declared.Llama);
        var compilation = Source.Compilation(Declared.Llama);
        var old = compilation.SyntaxTrees.Single(t => t.FilePath == "Source0.cs");
        return RunTwice(compilation, compilation.ReplaceSyntaxTree(old, Source.Tree(Declared.Llama.Replace(before, after), "Source0.cs")));
    }

    private static GeneratorDriverRunResult RunTwice(CSharpCompilation first, CSharpCompilation second) =>
        Compiled.Driver().RunGenerators(first).RunGenerators(second).GetRunResult();

    private static void AssertNothingRecomputed(GeneratorDriverRunResult run)
    {
        var steps = run.Results.Single().TrackedSteps;
        foreach (var name in SourceSteps)
        {
            Assert.NotEmpty(steps[name]);
            Assert.All(steps[name].SelectMany(step => step.Outputs), output => Assert.True(IsKept(output.Reason), $"{name}: {output.Reason}"));
        }

        Assert.Empty(Changed(run));
    }

    /// <summary>Names of the emitted files that were printed again.</summary>
    private static IEnumerable<string> Changed(GeneratorDriverRunResult run) =>
        run.Results.Single().TrackedOutputSteps
            .SelectMany(pair => pair.Value)
            .SelectMany(step => step.Outputs)
            .Where(output => !IsKept(output.Reason))
            .SelectMany(output => Sources(output.Value))
            .Order();

    /// <summary>An output step's value is a pair of texts and diagnostics, internal to the compiler.</summary>
    private static IEnumerable<string> Sources(object output)
    {
        var sources = (IEnumerable)((System.Runtime.CompilerServices.ITuple)output)[0]!;
        foreach (var source in sources)
            yield return (string)source.GetType().GetProperty("HintName", BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic)!.GetValue(source)!;
    }

    private static bool IsKept(IncrementalStepRunReason reason) =>
        reason is IncrementalStepRunReason.Cached or IncrementalStepRunReason.Unchanged;

    internal static void AssertFree(object? value, HashSet<object> seen)
    {
        if (value is null or string || value.GetType().IsPrimitive || value.GetType().IsEnum || !seen.Add(value)) return;
        Assert.False(value.GetType().Namespace?.StartsWith("Microsoft.CodeAnalysis", StringComparison.Ordinal) == true, $"{value.GetType()} is held");
        if (value is IEnumerable items)
            foreach (var item in items) AssertFree(item, seen);
        for (var type = value.GetType(); type is not null && type != typeof(object); type = type.BaseType)
            foreach (var field in type.GetFields(BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.DeclaredOnly))
                if (!type.IsArray) AssertFree(field.GetValue(value), seen);
    }
}
