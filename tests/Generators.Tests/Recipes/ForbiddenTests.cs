extern alias models;
extern alias quant;

using Generated.Architectures;
using Generators.Tests.Diagnostics;
using Microsoft.CodeAnalysis;
using Loading = quant::Generated.Quant.Recipes;
using Packaged = models::Generated.Models;

namespace Generators.Tests.Recipes;

/// <summary>
/// Every pair of a family and a method that folds, where the family's norms also feed a residual: refused by the compiler at the
/// attribute and by loading, in the same words. Where only a config's switch makes it so, the compiler says under which.
/// </summary>
public sealed class ForbiddenTests
{
    private static readonly string Folder = Path.Combine(AppContext.BaseDirectory, "Recipes", "Forbidden");

    /// <summary>What loading a config that has the shortcut knows of the model.</summary>
    private static readonly Dictionary<string, (ModelStructure Structure, string? Switch)> Families = new()
    {
        ["ChatGlm"] = (Packaged.ChatGlm.StructureOf(Packaged.ChatGlmConfig.ChatGlm6B), null),
        ["Bloom"] = (Packaged.Bloom.StructureOf(Packaged.BloomConfig.Bloom560M with { ResidualAfterNorm = true }), "ResidualAfterNorm"),
        ["ChatGlm2"] = (Packaged.ChatGlm2.StructureOf(Packaged.ChatGlm2Config.ChatGlm2With6B with { ResidualAfterNorm = true }), "ResidualAfterNorm"),
        ["Opt"] = (Packaged.Opt.StructureOf(Packaged.OptConfig.Opt6B7 with { NormBefore = false }), "NormAfter"),
    };

    public static TheoryData<string> Pairs => [.. Directory.EnumerateFiles(Folder, "*.cs").Select(f => Path.GetFileNameWithoutExtension(f)).Order()];

    [Fact]
    public void EveryFamilyAndMethod_HasAFile() => Assert.Equal(
        Families.Keys.SelectMany(_ => new[] { "Awq", "Shift", "Smooth" }, (family, method) => family + method).Order(StringComparer.Ordinal),
        Pairs.Cast<object[]>().Select(row => (string)row[0]).Order(StringComparer.Ordinal));

    [Theory, MemberData(nameof(Pairs))]
    public void Pair_IsRefusedByCompilerAndLoadingInTheSameWords(string pair)
    {
        var family = Families.Keys.Where(f => pair.StartsWith(f, StringComparison.Ordinal)).MaxBy(f => f.Length)!;
        var (structure, condition) = Families[family];
        var page = new RulePage(pair, "", "", File.ReadAllText(Path.Combine(Folder, pair + ".cs")), "");

        var compiled = Compiled.From(Source.Compilation(page.Bad).AddReferences(Source.Models));
        var atLoad = Loading.RecipeChecks.Find(Loaded.Recipe(compiled, pair), structure, family)
            .Where(f => f.Severity == Loading.FindingSeverity.Error).ToList();

        var said = compiled.Diagnostics.Where(d => d.Id is "GEN0710" or "GEN0711").ToList();
        Assert.NotEmpty(said);
        Assert.All(said, d => Assert.Equal(page.Marked, d.Location.GetLineSpan().Span));
        Assert.All(said, d => Assert.Equal(condition is null ? DiagnosticSeverity.Error : DiagnosticSeverity.Info, d.Severity));
        Assert.All(atLoad, f => Assert.Equal("GEN0710", f.Rule));
        Assert.All(atLoad, f => Assert.Contains("because it also feeds the residual", f.Message, StringComparison.Ordinal));
        var prefix = condition is null ? "" : $"Where {condition}, ";
        Assert.Equal(atLoad.Select(f => prefix + f.Message).Order(), said.Select(d => d.GetMessage()).Order());
        Assert.Throws<Generated.InvalidInputException>(() => Loading.RecipeChecks.Check(Loaded.Recipe(compiled, pair), structure, family));
    }
}
