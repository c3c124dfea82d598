using Generated.Generators.Graph;

namespace Generated.Generators.Analysis;

/// <summary>Checks that layers have names of their own among the emitted typed members: the layers, their fused products, the sites.</summary>
internal static class LayerNameChecks
{
    // A property of such a name would hide what every object has.
    private static readonly string[] OfObject = ["Equals", "GetHashCode", "GetType", "MemberwiseClone", "ReferenceEquals", "ToString", "Finalize"];

    public static IEnumerable<Issue> Of(ClassSpec spec, IReadOnlyList<FlatBody> bodies)
    {
        var layers = spec.Layers.Select(l => l.Member).ToList();
        var fused = spec.Kind == ClassKind.Part ? [] : SharedInputs.Fused(bodies, Partition.Of(bodies, spec.Kind).Of).Select(g => g.Name);
        foreach (var name in layers.Intersect(OfObject.Concat(fused))) yield return Taken(spec, name);
        if (spec.Kind == ClassKind.Part) yield break;

        var sites = new HashSet<string>(StringComparer.Ordinal) { EmittedNames.AllSites };
        foreach (var layer in Flattening.Layers(spec).Where(l => l.Spec is LinearSpec))
            if (!sites.Add(SiteName(layer.Path))) yield return Taken(spec, layer.Path.Split('.')[0]);
    }

    /// <summary>Name of a linear's site: its path, run together.</summary>
    public static string SiteName(string path) => path.Replace(".", "");

    private static Issue Taken(ClassSpec spec, string layer) => Issue.At(Anchors.Layer(layer), RuleId.NameTaken, layer, spec.Name);
}
