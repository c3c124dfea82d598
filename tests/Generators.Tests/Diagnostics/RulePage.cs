using System.Text.RegularExpressions;
using Microsoft.CodeAnalysis.Text;

namespace Generators.Tests.Diagnostics;

/// <summary>One page of docs/rules: what it says about its rule, and its two examples.</summary>
internal sealed partial record RulePage(string Id, string Title, string Severity, string Bad, string Good)
{
    private static readonly string Folder = Path.Combine(RepositoryRoot(), "docs", "rules");

    public static string Index => File.ReadAllText(Path.Combine(Folder, "README.md"));

    /// <summary>The config that examples share.</summary>
    public static string Shared { get; } = Fence().Match(Index).Groups["code"].Value;

    /// <summary>The model that examples of recipes share.</summary>
    public static string SharedModel { get; } = Fence().Match(Index).NextMatch().Groups["code"].Value;

    /// <summary>What an example is compiled with.</summary>
    public string[] With => Id.StartsWith("GEN07", StringComparison.Ordinal) ? [Shared, SharedModel] : [Shared];

    /// <summary>Every page that shows C#.</summary>
    public static IEnumerable<string> Ids =>
        Directory.EnumerateFiles(Folder, "GEN*.md").Select(f => Path.GetFileNameWithoutExtension(f)).Order();

    public static RulePage Read(string id)
    {
        var text = File.ReadAllText(Path.Combine(Folder, id + ".md"));
        var examples = Fence().Matches(text);
        return new RulePage(
            id,
            Heading().Match(text).Groups["title"].Value,
            SeverityLine().Match(text).Groups["severity"].Value,
            examples.Count == 2 ? examples[0].Groups["code"].Value : "",
            examples.Count == 2 ? examples[1].Groups["code"].Value : "");
    }

    /// <summary>Where the carets under a line of the bad example point; null where it has none.</summary>
    public LinePositionSpan? Marked
    {
        get
        {
            var lines = Bad.Split('\n');
            for (var i = 1; i < lines.Length; i++)
            {
                if (Carets().Match(lines[i]) is not { Success: true } match) continue;
                var carets = match.Groups["carets"];
                return new LinePositionSpan(new LinePosition(i - 1, carets.Index), new LinePosition(i - 1, carets.Index + carets.Length));
            }

            return null;
        }
    }

    public static string RepositoryRoot()
    {
        var folder = new DirectoryInfo(AppContext.BaseDirectory);
        while (folder is not null && !File.Exists(Path.Combine(folder.FullName, "Generated.sln"))) folder = folder.Parent;
        return folder?.FullName ?? throw new InvalidOperationException("The repository's root was not found above the tests.");
    }

    [GeneratedRegex(@"```csharp\n(?<code>.*?)```", RegexOptions.Singleline)]
    private static partial Regex Fence();

    [GeneratedRegex(@"^# GEN\d{4}: (?<title>.+)$", RegexOptions.Multiline)]
    private static partial Regex Heading();

    [GeneratedRegex(@"^Severity: (?<severity>\w+)\.", RegexOptions.Multiline)]
    private static partial Regex SeverityLine();

    [GeneratedRegex(@"^\s*//\s*(?<carets>\^+)\s*$")]
    private static partial Regex Carets();
}
