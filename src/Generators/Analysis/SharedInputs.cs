using Generated.Generators.Graph;

namespace Generated.Generators.Analysis;

/// <summary>Linears that read one value and so can be one product; members in evaluation order.</summary>
/// <param name="Name">Their names run together: <c>QKV</c>, <c>MlpGateUp</c>.</param>
internal sealed record FusedGroup(string Name, EquatableArray<FlatLayer> Members);

/// <summary>Finds linears that share an input, and those among them that can be fused.</summary>
internal static class SharedInputs
{
    /// <summary>The most linears one fused product has.</summary>
    public const int Largest = 3;

    /// <summary>The first linear (by evaluation order) that reads the same value as each linear: the input's site.</summary>
    public static IReadOnlyDictionary<string, string> Sites(FlatBody body)
    {
        var first = new Dictionary<int, string>();
        var sites = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var node in body.Nodes)
        {
            if (node.Linear is null) continue;
            if (!first.ContainsKey(node.Inputs[0])) first[node.Inputs[0]] = node.Layer!.Path;
            sites[node.Layer!.Path] = first[node.Inputs[0]];
        }

        return sites;
    }

    /// <summary>Groups that hold in every wiring of a class, so that their storage can be joined when layers are built.</summary>
    public static EquatableArray<FusedGroup> Fused(IReadOnlyList<FlatBody> bodies, Func<string, Split> split)
    {
        var groups = bodies.Select(b => Groups(b, split).ToList()).ToList();
        return groups[0]
            .Where(g => groups.Skip(1).All(others => others.Contains(g)))
            .Select(members => new FusedGroup(Name(members), members))
            .ToEquatableArray();
    }

    private static IEnumerable<EquatableArray<FlatLayer>> Groups(FlatBody body, Func<string, Split> split) => body.Nodes
        .Where(n => n.Linear is { When: null, TiedTo: null, UnitRowsWhen: null })
        .GroupBy(n => (Input: n.Inputs[0], n.Linear!.Bias, n.Linear.BiasWhen, n.Linear.StoredInOut, Split: split(n.Layer!.Path), Part: Part(n.Layer.Path)))
        .SelectMany(g => Chunks(g.Select(n => n.Layer!).ToList()));

    private static IEnumerable<EquatableArray<FlatLayer>> Chunks(List<FlatLayer> members)
    {
        for (var i = 0; i + 1 < members.Count; i += Largest)
            yield return members.Skip(i).Take(Largest).ToEquatableArray();
    }

    private static string Part(string path) => path.Contains('.') ? path.Substring(0, path.LastIndexOf('.')) : "";

    private static string Name(EquatableArray<FlatLayer> members)
    {
        var part = Part(members[0].Path);
        return part.Replace(".", "") + string.Concat(members.Select(m => m.Path.Substring(part.Length).TrimStart('.')));
    }
}
