using Generated.Generators.Analysis.Passes;
using Generated.Generators.Graph;

namespace Generated.Generators.Analysis;

/// <summary>Runs the analyses of a class and gathers what the printers need.</summary>
internal static class Planner
{
    public static ClassPlan Plan(ClassSpec spec)
    {
        var bodies = Flattening.Bodies(spec);
        var partition = Partition.Of(bodies, spec.Kind);
        var rules = new WidthRules(spec.Config);
        var fused = spec.Kind == ClassKind.Part
            ? EquatableArray<FusedGroup>.Empty // a part's users fuse across its border
            : SharedInputs.Fused(bodies.ToList(), partition.Of);
        var widths = Widths.Of(bodies[bodies.Count - 1], rules);
        return new ClassPlan
        {
            Spec = spec,
            InputWidth = widths[0]?.Name ?? "",
            OutputWidth = widths[bodies[bodies.Count - 1].Output]?.Name ?? "",
            Members = spec.Layers
                .Select(l => new MemberPlan(l, partition.Of(l.Member), spec.Layers.OfType<LinearSpec>().Any(o => o.TiedTo == l.Member)))
                .ToEquatableArray(),
            Fused = fused,
            Wirings = spec.Kind == ClassKind.Part
                ? EquatableArray<WiringPlan>.Empty
                : bodies.Select(b => Wiring(spec, b, partition, rules, fused)).ToEquatableArray(),
            Tensors = WeightNames.Of(spec, bodies.ToList()),
            Linears = Flattening.Layers(spec)
                .Where(l => l.Spec is LinearSpec)
                .Select(l => new LinearPlan(l.Path, l.Access, (LinearSpec)l.Spec, WeightNames.Name(spec, l.Spec), partition.Of(l.Path)))
                .ToEquatableArray(),
            Factors = spec.Kind == ClassKind.Part ? Factors(spec) : EquatableArray<FactorPlan>.Empty,
        };
    }

    private static WiringPlan Wiring(ClassSpec spec, FlatBody body, Partition partition, WidthRules rules, EquatableArray<FusedGroup> fused)
    {
        var widths = Widths.Of(body, rules);
        PassPlan Pass(PassKind kind) => PassPlanner.Plan(spec, body, kind, partition, widths, fused);
        return new WiringPlan(
            body, Pass(PassKind.Full), Pass(PassKind.Prefill), Pass(PassKind.Decode),
            NormGroups.Of(body, spec.Kind), ScalePairs.Of(body),
            SharedInputs.Sites(body).Select(s => new SitePlan(s.Key, s.Value)).ToEquatableArray(),
            Exchanges(body, partition).ToEquatableArray(), SequenceParallel.Of(body, spec.Kind, partition));
    }

    private static IEnumerable<ExchangePlan> Exchanges(FlatBody body, Partition partition)
    {
        foreach (var node in body.Nodes)
        {
            if (node.Layer is not { } layer) continue;
            var kind = partition.Of(layer.Path).Kind;
            if (layer.Spec is EmbeddingSpec && kind == SplitKind.Vocabulary) yield return new ExchangePlan(layer.Path, false, layer.Spec.When);
            else if (layer.Spec is LinearSpec && kind is SplitKind.Row or SplitKind.Vocabulary)
                yield return new ExchangePlan(layer.Path, kind == SplitKind.Vocabulary, layer.Spec.When);
        }
    }

    private static EquatableArray<FactorPlan> Factors(ClassSpec part) => part.Bodies
        .SelectMany(b => b.Nodes.Where(n => n.Factor is not null).Select(n => new FactorPlan(Flattening.FactorName(b.Method, n.Id), n.Factor!)))
        .ToEquatableArray();
}
