using Generated.Generators.Diagnostics;
using Generated.Generators.Graph;
using Microsoft.CodeAnalysis;

namespace Generated.Generators.Analysis;

/// <summary>A graph with what its checks found.</summary>
/// <param name="Spec">Marked broken where a check found an error, in it or in a class it uses: it then gets stubs only.</param>
/// <param name="Issues">What the checks found in it.</param>
internal sealed record Analysed(ClassSpec Spec, EquatableArray<Issue> Issues)
{
    public static Analysed Of(ClassSpec spec)
    {
        if (!spec.IsUsable) return new Analysed(spec, EquatableArray<Issue>.Empty);
        // What is wrong in a part shows again wherever the part is opened: it is reported once, at the part.
        if (UsesWrong(spec)) return new Analysed(spec with { IsBroken = true }, EquatableArray<Issue>.Empty);
        var issues = Analyzer.Issues(spec);
        return new Analysed(spec with { IsBroken = HasError(issues) }, issues);
    }

    private static bool UsesWrong(ClassSpec spec) => spec.Layers.Any(layer => layer switch
    {
        UseSpec { Part: var part } => HasError(Analyzer.Issues(part)) || UsesWrong(part),
        RepeatSpec { Block: var block } => HasError(Analyzer.Issues(block)) || UsesWrong(block),
        _ => false,
    });

    private static bool HasError(EquatableArray<Issue> issues) =>
        issues.Any(issue => Rules.Of(issue.RuleId).DefaultSeverity == DiagnosticSeverity.Error);
}
