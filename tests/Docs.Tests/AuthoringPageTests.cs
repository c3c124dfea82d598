using Docs.Tests.Pages;

namespace Docs.Tests;

/// <summary>docs/authoring.md: its lists are those of the code, its example is the one that is compiled and run here.</summary>
public sealed class AuthoringPageTests
{
    private const string Page = "docs/authoring.md";

    [Fact]
    public void DeclarationAttributes_AreAllListed() => MarkedSection.Check(Page, "attributes of declarations", LanguageLists.DeclarationAttributes());

    [Fact]
    public void LayerAttributes_AreAllListed() => MarkedSection.Check(Page, "attributes of layers", LanguageLists.LayerAttributes());

    [Fact]
    public void Operators_AreAllListed() => MarkedSection.Check(Page, "operators", LanguageLists.Operators());

    [Fact]
    public void Parts_AreAllListed() => MarkedSection.Check(Page, "parts", LanguageLists.Parts());

    [Fact]
    public void InputSchemes_AreAllListed() => MarkedSection.Check(Page, "input schemes", LanguageLists.InputSchemes());

    [Fact]
    public void Diagnostics_AreAllListed() => MarkedSection.Check(Page, "diagnostics", LanguageLists.Diagnostics());

    [Theory]
    [InlineData("config", "Example/GptJ.cs", "record GptJConfig")]
    [InlineData("block", "Example/GptJ.cs", "class GptJBlock")]
    [InlineData("model", "Example/GptJ.cs", "class GptJ(")]
    [InlineData("program", "Example/FirstRun.cs", "class FirstRun")]
    public void Example_IsTheCompiledOne(string section, string file, string declaration) =>
        MarkedSection.Check(Page, section, $"```csharp\n{Declaration(file, declaration)}\n```");

    /// <summary>A top-level declaration of a source file, with its attributes and comment.</summary>
    private static string Declaration(string file, string name)
    {
        var blocks = File.ReadAllText(Repository.File("tests", "Docs.Tests", file)).Split("\n}\n")
            .Select(block => block.Trim('\n') + "\n}")
            .Where(block => block.Contains(name, StringComparison.Ordinal));
        var block = Assert.Single(blocks);
        // The first one carries the file's head.
        var head = block.LastIndexOf("\nnamespace ", StringComparison.Ordinal);
        return head < 0 ? block : block[block.IndexOf('\n', head + 1)..].Trim('\n');
    }
}
