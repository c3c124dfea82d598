using Generated.Generators.Graph;

namespace Generated.Generators.Analysis;

/// <summary>Runs every check of a class's graph. A class with an error of its own, or that uses one, is not analysed.</summary>
internal static class Analyzer
{
    public static EquatableArray<Issue> Issues(ClassSpec spec)
    {
        if (!spec.IsUsable) return EquatableArray<Issue>.Empty;
        var bodies = Flattening.Bodies(spec);
        var rules = new WidthRules(spec.Config);
        return WidthChecks.Of(spec, bodies, rules)
            .Concat(NameChecks.Of(spec))
            .Concat(LayerNameChecks.Of(spec, bodies))
            .Concat(StructureChecks.Of(spec, bodies))
            .Concat(Partition.Of(bodies, spec.Kind).Issues)
            .Concat(PresetChecks.Of(spec, bodies))
            .Distinct()
            .ToEquatableArray();
    }
}
