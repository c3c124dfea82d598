using Generated.Generators;
using Generators.Tests.Declarations;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;

namespace Generators.Tests.Recipes;

/// <summary>What an edit recomputes of a recipe.</summary>
public sealed class RecipeCachingTests
{
    private const string Recipe = """
        using Generated.Quant.Recipes;

        [Quantize<Declared.Llama>, Smooth, Shift, Weights, Activations, Keep("Llama.Head")]
        public static partial class LlamaW8A8;
        """;

    [Fact]
    public void UnrelatedEdit_RecomputesNothing()
    {
        var run = RunTwice(c => c.AddSyntaxTrees(Source.Tree("public sealed class Unrelated;", "Unrelated.cs")));

        AssertKept(run, TrackingNames.RecipeSpecs, TrackingNames.RecipeFindings);
    }

    [Fact]
    public void MovedRecipe_RecomputesNothingButItsPlaces()
    {
        var run = RunTwice(c => Replaced(c, "Source1.cs", "\n\n// Eight bits.\n" + Recipe));

        AssertKept(run, TrackingNames.RecipeSpecs, TrackingNames.RecipeFindings);
    }

    [Fact]
    public void ChangedModel_IsCheckedAgainButNotEmittedAgain()
    {
        var run = RunTwice(c => Replaced(c, "Source0.cs", Declared.Llama.Replace("\"lm_head\"", "\"output\"")));

        AssertKept(run, TrackingNames.RecipeSpecs);
        Assert.Equal(IncrementalStepRunReason.Unchanged, Reason(run, TrackingNames.RecipeFindings));
    }

    [Fact]
    public void ChangedRecipe_IsEmittedAgain()
    {
        var run = RunTwice(c => Replaced(c, "Source1.cs", Recipe.Replace("Smooth,", "Smooth(Alpha = 0.75),")));

        Assert.Equal(IncrementalStepRunReason.Modified, Reason(run, TrackingNames.RecipeSpecs));
        Assert.Contains("Alpha = 0.75", run.GeneratedTrees.Single(t => t.FilePath.EndsWith("LlamaW8A8.g.cs", StringComparison.Ordinal)).ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public void ModelThatForbidsTheRecipe_IsSaidAtTheRecipe()
    {
        const string before = "var h = x + Attention(AttnNorm(x));", after = "var a = AttnNorm(x); var h = a + Attention(a);";
        Assert.Contains(before, Declared.Llama);

        var run = RunTwice(c => Replaced(c, "Source0.cs", Declared.Llama.Replace(before, after)));

        var errors = run.Diagnostics.Where(d => d.Severity == DiagnosticSeverity.Error);
        Assert.Equal([("GEN0710", "Source1.cs"), ("GEN0710", "Source1.cs")], errors.Select(e => (e.Id, e.Location.SourceTree!.FilePath)));
    }

    [Fact]
    public void TrackedSteps_HoldNoCompilerObject()
    {
        var run = RunTwice(c => c);

        foreach (var output in new[] { TrackingNames.RecipeSpecs, TrackingNames.RecipeFindings }.SelectMany(name => run.Results.Single().TrackedSteps[name]).SelectMany(s => s.Outputs))
            Incremental.CachingTests.AssertFree(output.Value, new HashSet<object>(ReferenceEqualityComparer.Instance));
    }

    private static GeneratorDriverRunResult RunTwice(Func<CSharpCompilation, CSharpCompilation> edit)
    {
        var compilation = Source.Compilation(Declared.Llama, Recipe);
        return Compiled.Driver().RunGenerators(compilation).RunGenerators(edit(compilation)).GetRunResult();
    }

    private static CSharpCompilation Replaced(CSharpCompilation compilation, string path, string text) =>
        compilation.ReplaceSyntaxTree(compilation.SyntaxTrees.Single(t => t.FilePath == path), Source.Tree(text, path));

    private static void AssertKept(GeneratorDriverRunResult run, params string[] steps) => Assert.All(
        steps, name => Assert.True(Reason(run, name) is IncrementalStepRunReason.Cached or IncrementalStepRunReason.Unchanged, $"{name}: {Reason(run, name)}"));

    private static IncrementalStepRunReason Reason(GeneratorDriverRunResult run, string step) =>
        Assert.Single(run.Results.Single().TrackedSteps[step].SelectMany(s => s.Outputs)).Reason;
}
