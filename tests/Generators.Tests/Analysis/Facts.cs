using Generated.Generators.Analysis;
using Generated.Generators.Graph;

namespace Generators.Tests.Analysis;

/// <summary>Derived facts as short text, so that a test names them as a person would.</summary>
internal static class Facts
{
    /// <summary>The wiring that runs where no other is selected.</summary>
    public static FlatBody Default(ClassSpec spec) => Flattening.Bodies(spec)[^1];

    public static FlatBody Body(ClassSpec spec, string suffix) => Flattening.Bodies(spec).Single(b => b.Suffix == suffix);

    /// <summary><c>AttnNorm → Q, K, V</c>, and behind a bar what stands against folding.</summary>
    public static string[] Norms(ClassSpec spec, FlatBody body) => [.. NormGroups.Of(body, spec.Kind).Select(g =>
        $"{g.Norm} → {string.Join(", ", g.Linears.Select(l => l.Path + Condition(l.When)))}"
        + string.Concat(g.Conflicts.Select(c => $" | {c.Consumer}{Condition(c.When)}")))];

    public static string[] Shortcuts(ClassSpec spec, FlatBody body) =>
        [.. NormGroups.Of(body, spec.Kind).Where(g => g.Conflicts.Any(c => c.IsShortcut)).Select(g => g.Norm)];

    /// <summary><c>V → O</c>, a section as <c>Qkv[2] → Dense</c>.</summary>
    public static string[] Scales(FlatBody body) => [.. ScalePairs.Of(body).Select(p =>
        $"{p.Source}{(p.Cut is null ? "" : $"[{p.Section}]")} → {string.Join(", ", p.Targets)} ({p.Kind}{(p.Attention is { } a && a.Heads != a.KvHeads ? ", repeated" : "")})")];

    public static string[] Fused(ClassSpec spec) =>
        [.. Planner.Plan(spec).Fused.Select(g => $"{g.Name}: {string.Join(", ", g.Members.Select(m => m.Path))}")];

    /// <summary><c>Q column by HeadDim</c>.</summary>
    public static string[] Splits(ClassSpec spec)
    {
        var partition = Partition.Of(spec);
        return [.. Flattening.Layers(spec).Where(l => l.Spec is LinearSpec or EmbeddingSpec).Select(l =>
        {
            var split = partition.Of(l.Path);
            return $"{l.Path} {split.Kind.ToString().ToLowerInvariant()}"
                + (split.HeadWidth is { } width ? $" by {width.Member}" : "")
                + (split.Sections.Count > 0 ? $" in {string.Join("|", split.Sections.Select(s => s.Member))}" : "")
                + (split.Groups is { } groups ? $" in groups of {groups.Member}" : "");
        })];
    }

    public static string[] Exchanges(ClassSpec spec, string suffix = "Forward") =>
        [.. Planner.Plan(spec).Wirings.Single(w => w.Suffix == suffix).Exchanges.Select(e => $"{(e.IsGather ? "gather" : "sum")} {e.Path}{Condition(e.When)}")];

    public static Issue[] Issues(ClassSpec spec, string rule) => [.. Analyzer.Issues(spec).Where(i => i.RuleId == rule)];

    /// <summary>Every issue that is not just information.</summary>
    public static Issue[] Errors(ClassSpec spec) => [.. Analyzer.Issues(spec).Where(i => i.RuleId is not (RuleId.NormNotFoldable or RuleId.NoBiasForShift))];

    private static string Condition(string? when) => when is null ? "" : $" if {when}";
}
