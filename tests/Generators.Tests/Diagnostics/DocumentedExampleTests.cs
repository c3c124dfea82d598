using System.Text.RegularExpressions;
using Microsoft.CodeAnalysis;

namespace Generators.Tests.Diagnostics;

/// <summary>The declarations that README.md and docs/authoring.md show compile as they stand, and go wrong as the pages say.</summary>
public sealed partial class DocumentedExampleTests
{
    private static string Readme => Fence().Match(File.ReadAllText(Path.Combine(RulePage.RepositoryRoot(), "README.md"))).Groups["code"].Value;

    private static string GptJ => File.ReadAllText(Path.Combine(RulePage.RepositoryRoot(), "tests", "Docs.Tests", "Example", "GptJ.cs"));

    [Fact]
    public void Examples_CompileAsTheyStand()
    {
        foreach (var source in new[] { Readme, GptJ })
        {
            var compiled = Compiled.From(source);
            Assert.Empty(compiled.Errors);
            Assert.DoesNotContain(compiled.Diagnostics, d => d.Severity > DiagnosticSeverity.Info);
        }
    }

    [Fact]
    public void Readme_DownOfTheWrongWidth_IsOneErrorAtTheCall() =>
        AssertOneError(Readme, "[Linear(nameof(c.Ffn), nameof(c.Hidden), \"down\")]", "[Linear(nameof(c.Ffn), nameof(c.Ffn), \"down\")]", "GEN0202", "Hidden", "Ffn");

    [Fact]
    public void Authoring_DownOfTheWrongWidth_IsOneErrorAtTheCall() => AssertOneError(
        GptJ, "[Linear(nameof(c.Ffn), nameof(c.Hidden), \"mlp.fc_out\", Bias = true)]", "[Linear(nameof(c.Ffn), nameof(c.Ffn), \"mlp.fc_out\", Bias = true)]", "GEN0202", "Hidden", "Ffn");

    private static void AssertOneError(string source, string right, string wrong, string id, params string[] words)
    {
        Assert.Contains(right, source);
        source = source.Replace(right, wrong, StringComparison.Ordinal);
        var error = Assert.Single(Compiled.From(source).Errors);
        Assert.Equal(id, error.Id);
        Assert.All(words, word => Assert.Contains(word, error.GetMessage()));
        Assert.Contains("Down(", source.Split('\n')[error.Location.GetLineSpan().StartLinePosition.Line]);
    }

    [GeneratedRegex(@"```csharp\n(?<code>.*?)```", RegexOptions.Singleline)]
    private static partial Regex Fence();
}
