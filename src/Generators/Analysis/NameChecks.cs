using Generated.Generators.Graph;

namespace Generated.Generators.Analysis;

/// <summary>Checks that no two layers have one checkpoint name, blocks and parts included.</summary>
internal static class NameChecks
{
    public static IEnumerable<Issue> Of(ClassSpec spec)
    {
        var owners = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var (name, path, member, isOwn) in Names(spec))
        {
            if (!owners.TryGetValue(name, out var other)) owners.Add(name, path);
            else yield return Issue.At(isOwn ? Anchors.LayerName(member) : Anchors.Layer(member), RuleId.DuplicateName, name, path, other);
        }
    }

    private static IEnumerable<(string Name, string Path, string Member, bool IsOwn)> Names(ClassSpec spec)
    {
        foreach (var layer in Flattening.Layers(spec))
        {
            var member = layer.Path.Split('.')[0];
            if (layer.Spec.HasWeights) yield return (WeightNames.Name(spec, layer.Spec), layer.Path, member, !layer.IsInPart);
            if (layer.Spec is not RepeatSpec repeat) continue;
            foreach (var inner in Flattening.Layers(repeat.Block))
                if (inner.Spec.HasWeights) yield return (WeightNames.Name(repeat.Block, inner.Spec), $"{repeat.Block.Name}.{inner.Path}", member, false);
        }
    }
}
