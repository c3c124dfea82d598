using Docs.Tests.Pages;
using Generated.Architectures;

namespace Docs.Tests;

/// <summary>docs/models: a page for every family, whose tables are those of the code.</summary>
public sealed class FamilyPageTests
{
    public static TheoryData<string> Names => [.. Family.All.Select(f => f.Name)];

    [Theory, MemberData(nameof(Names))]
    public void Presets_AreThoseOfTheCode(string name) => Check(name, "presets", FamilySections.Presets);

    [Theory, MemberData(nameof(Names))]
    public void Structure_IsWhatTheCompilerDerives(string name) => Check(name, "structure", FamilySections.Structure);

    [Theory, MemberData(nameof(Names))]
    public void Tensors_AreThoseOfTheCode(string name) => Check(name, "tensors", FamilySections.Tensors);

    [Fact]
    public void EveryFamily_HasAPage_ThatIsLinked()
    {
        var models = ArchitectureRegistry.All.Where(a => a.Presets.Count > 0 && a.Presets[0].Config().GetType().Namespace == "Generated.Models");
        Assert.Equal(models.Select(a => a.Name).Order(), Family.All.Select(f => f.Architecture.Name).Order());
        var index = File.ReadAllText(Repository.File("docs", "models.md"));
        Assert.All(Family.All, family => Assert.Contains($"(models/{family.Name}.md)", index));
        Assert.Equal(Family.All.Select(f => $"{f.Name}.md").Order(), Directory.EnumerateFiles(Repository.File("docs", "models")).Select(f => Path.GetFileName(f)).Order());
    }

    [Theory, MemberData(nameof(Names))]
    public void Page_SaysWhatIsSpecialKnownAndRefused(string name)
    {
        var text = File.ReadAllText(Repository.File(Family.All.Single(f => f.Name == name).Page));
        Assert.All(["## What is special", "## Known checkpoints", "## What is refused", "## Presets", "## Derived structure", "## Tensors"], heading => Assert.Contains($"\n{heading}\n", text));
    }

    private static void Check(string name, string section, Func<Family, string> expected)
    {
        var family = Family.All.Single(f => f.Name == name);
        MarkedSection.Check(family.Page, section, expected(family));
    }
}
