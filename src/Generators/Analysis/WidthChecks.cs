using Generated.Generators.Graph;

namespace Generated.Generators.Analysis;

/// <summary>Checks that widths agree wherever values meet, for every value of the config.</summary>
internal static class WidthChecks
{
    public static IEnumerable<Issue> Of(ClassSpec spec, IReadOnlyList<FlatBody> bodies, WidthRules rules)
    {
        foreach (var body in bodies)
        {
            var widths = Widths.Of(body, rules);
            foreach (var issue in widths.Issues) yield return issue;
            if (spec.Kind == ClassKind.Block && widths.Issues.Count == 0 && widths[0] is { } taken && widths[body.Output] is { } given
                && !rules.AreSame(taken.Value, given.Value))
                yield return Issue.At(Anchors.Body(body.Method), RuleId.ResultWidth, spec.Name, taken.Words, given.Words);
        }

        foreach (var linear in spec.Layers.OfType<LinearSpec>())
            if (linear.TiedTo is { } target && spec.Layer(target) is EmbeddingSpec embedding
                && !(rules.AreSame(linear.Output.Value, embedding.Count.Value) && rules.AreSame(linear.Input.Value, embedding.Width.Value)))
                yield return Issue.At(
                    Anchors.LayerArgument(linear.Member, "TiedTo"), RuleId.TiedShape, linear.Member, target,
                    Shape(embedding.Count, embedding.Width), Shape(linear.Output, linear.Input));
    }

    private static string Shape(DimRef rows, DimRef columns) => $"{Width.Of(rows).Words} × {Width.Of(columns).Words}";
}
