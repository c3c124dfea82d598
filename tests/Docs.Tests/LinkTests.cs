using System.Text.RegularExpressions;

namespace Docs.Tests;

public sealed partial class LinkTests
{
    public static TheoryData<string> Pages => [.. Repository.Pages];

    /// <summary>Links to files and headings of the repository lead somewhere.</summary>
    [Theory, MemberData(nameof(Pages))]
    public void RelativeLinks_LeadSomewhere(string page)
    {
        var text = Fence().Replace(File.ReadAllText(Repository.File(page)), "");
        foreach (Match link in Link().Matches(text))
        {
            var target = link.Groups["target"].Value;
            if (target.Contains("://", StringComparison.Ordinal)) continue;
            var (path, anchor) = target.Split('#') is [var p, var a] ? (p, a) : (target, null);
            var file = path.Length == 0 ? Repository.File(page) : Path.GetFullPath(Path.Combine(Path.GetDirectoryName(Repository.File(page))!, path));
            Assert.True(Path.Exists(file), $"{page}: {target} does not exist");
            if (anchor is not null)
                Assert.Contains(anchor, Heading().Matches(Fence().Replace(File.ReadAllText(file), "")).Select(h => Anchor(h.Groups["title"].Value)));
        }
    }

    /// <summary>As GitHub makes it: lower case, spaces to hyphens, punctuation dropped.</summary>
    private static string Anchor(string title) =>
        string.Concat(title.Trim().ToLowerInvariant().Where(c => char.IsLetterOrDigit(c) || c is ' ' or '-' or '_').Select(c => c == ' ' ? '-' : c));

    [GeneratedRegex(@"(?<!\!)\[[^\]\n]*\]\((?<target>[^)\s]+)\)")]
    private static partial Regex Link();

    [GeneratedRegex(@"^#+ (?<title>.+)$", RegexOptions.Multiline)]
    private static partial Regex Heading();

    [GeneratedRegex(@"^```.*?^```", RegexOptions.Multiline | RegexOptions.Singleline)]
    private static partial Regex Fence();
}
