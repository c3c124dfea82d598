using System.Text.RegularExpressions;

namespace Docs.Tests;

/// <summary>
/// A part of a page that is written by code, between <c>&lt;!-- generated: NAME --&gt;</c> and <c>&lt;!-- end: NAME --&gt;</c>.
/// With GENERATED_UPDATE_DOCS=1 in the environment the tests write it; without, they fail where it is stale.
/// </summary>
internal static partial class MarkedSection
{
    private static readonly Lock Gate = new();

    private static bool IsUpdating => Environment.GetEnvironmentVariable("GENERATED_UPDATE_DOCS") == "1";

    /// <summary>The names of a page's sections, in order.</summary>
    public static IReadOnlyList<string> Names(string page) => [.. Begin().Matches(File.ReadAllText(Repository.File(page))).Select(m => m.Groups["name"].Value)];

    /// <summary>Compares a section with what it has to say, or writes it.</summary>
    public static void Check(string page, string name, string expected)
    {
        lock (Gate)
        {
            var text = File.ReadAllText(Repository.File(page));
            var (begin, end) = ($"<!-- generated: {name} -->\n", $"<!-- end: {name} -->");
            var start = text.IndexOf(begin, StringComparison.Ordinal);
            var stop = text.IndexOf(end, StringComparison.Ordinal);
            Assert.True(start >= 0 && stop > start, $"{page} has no section '{name}': it needs the line '{begin.Trim()}' and, behind it, '{end}'.");
            start += begin.Length;
            expected = expected.Trim('\n') + "\n";
            if (text[start..stop] == expected)
                return;
            if (!IsUpdating)
                Assert.Fail($"The section '{name}' of {page} is stale: run GENERATED_UPDATE_DOCS=1 dotnet test tests/Docs.Tests, and commit the page.\n\nIt has to be:\n{expected}");
            File.WriteAllText(Repository.File(page), text[..start] + expected + text[stop..]);
        }
    }

    [GeneratedRegex(@"^<!-- generated: (?<name>.+) -->$", RegexOptions.Multiline)]
    private static partial Regex Begin();
}
