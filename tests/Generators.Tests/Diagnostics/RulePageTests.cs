using Generated.Generators.Diagnostics;
using Microsoft.CodeAnalysis;

namespace Generators.Tests.Diagnostics;

/// <summary>Every example of docs/rules is compiled: the bad one breaks its rule at the marked place and no other, the good one none.</summary>
public sealed class RulePageTests
{
    public static TheoryData<string> All => [.. RulePage.Ids];

    public static TheoryData<string> WithExamples => [.. RulePage.Ids.Where(id => RulePage.Read(id).Bad.Length > 0)];

    public static TheoryData<string> Suppressible =>
        [.. RulePage.Ids.Where(id => Rules.Of(id).DefaultSeverity != DiagnosticSeverity.Error && RulePage.Read(id).Bad.Length > 0)];

    [Theory, MemberData(nameof(WithExamples))]
    public void BadExample_BreaksTheRuleAtTheMark(string id)
    {
        var page = RulePage.Read(id);

        var compiled = Compiled.From([page.Bad, .. page.With]);

        var diagnostic = Assert.Single(Relevant(compiled, id));
        Assert.Equal(id, diagnostic.Id);
        Assert.DoesNotMatch(@"\{\d\}", diagnostic.GetMessage());
        Assert.NotNull(page.Marked);
        Assert.Equal(page.Marked, diagnostic.Location.GetLineSpan().Span);
        Assert.Equal(diagnostic.Severity == DiagnosticSeverity.Error ? [id] : [], compiled.Errors.Select(e => e.Id));
    }

    [Theory, MemberData(nameof(WithExamples))]
    public void GoodExample_BreaksNothing(string id)
    {
        var page = RulePage.Read(id);

        var compiled = Compiled.From([page.Good, .. page.With]);

        Assert.Empty(Relevant(compiled, id));
        Assert.Empty(compiled.Errors);
    }

    [Theory, MemberData(nameof(Suppressible))]
    public void Pragma_SilencesWarningsAndInformation(string id)
    {
        var page = RulePage.Read(id);

        var compiled = Compiled.From([$"#pragma warning disable {id}\n{page.Bad}", .. page.With]);

        Assert.DoesNotContain(compiled.Diagnostics, d => d.Id == id && !d.IsSuppressed);
    }

    [Theory, MemberData(nameof(All))]
    public void Page_SaysWhatTheRuleSays(string id)
    {
        var page = RulePage.Read(id);
        var rule = Rules.Of(id);

        Assert.Equal(rule.Title.ToString(), page.Title);
        Assert.Equal(rule.DefaultSeverity switch { DiagnosticSeverity.Error => "error", DiagnosticSeverity.Warning => "warning", _ => "information" }, page.Severity);
        Assert.Equal($"docs/rules/{id}.md", rule.HelpLinkUri);
        Assert.Contains($"| [{id}]({id}.md) | {rule.DefaultSeverity} | {rule.Title} |", RulePage.Index);
    }

    [Fact]
    public void EveryRule_HasAPage() => Assert.Equal(Rules.All.Select(r => r.Id).Order(), RulePage.Ids);

    /// <summary>Information about other matters than the page's is not noise to a reader, but would be here.</summary>
    private static IEnumerable<Diagnostic> Relevant(Compiled compiled, string id) =>
        compiled.Diagnostics.Where(d => d.Id == id || d.Severity >= DiagnosticSeverity.Warning);
}
