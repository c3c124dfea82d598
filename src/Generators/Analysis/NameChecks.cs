using Generated.Generators.Graph;

namespace Generated.Generators.Analysis;

/// <summary>Checks that no two layers have one checkpoint name, in Hugging Face's files or in Paddle's, blocks and parts included.</summary>
internal static class NameChecks
{
    public static IEnumerable<Issue> Of(ClassSpec spec)
    {
        var owners = new Dictionary<string, string>(StringComparer.Ordinal);
        var paddleOwners = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var (layer, path, member) in Layers(spec))
        {
            var name = Taken(owners, layer.Name, path) is { } other ? (layer.Name, other)
                : layer.Paddle is { } paddle && Taken(paddleOwners, paddle, path) is { } paddleOther ? (paddle, paddleOther)
                : default((string Name, string Other)?);
            if (name is not { } taken) continue;
            var anchor = path == member ? Anchors.LayerName(member) : Anchors.Layer(member);
            yield return Issue.At(anchor, RuleId.DuplicateName, taken.Name, path, taken.Other);
        }
    }

    /// <summary>Who has a name already; else it now belongs to the path.</summary>
    private static string? Taken(Dictionary<string, string> owners, string name, string path)
    {
        if (owners.TryGetValue(name, out var owner)) return owner;
        owners.Add(name, path);
        return null;
    }

    /// <summary>The class's own layers with weights, then those of its blocks, with the member of the class that brings each.</summary>
    private static IEnumerable<(Names Layer, string Path, string Member)> Layers(ClassSpec spec)
    {
        foreach (var layer in Flattening.Layers(spec))
        {
            var member = layer.Path.Split('.')[0];
            if (layer.Spec.HasWeights) yield return (Of(spec, layer.Spec), layer.Path, member);
            if (layer.Spec is not RepeatSpec repeat) continue;
            foreach (var inner in Flattening.Layers(repeat.Block))
                if (inner.Spec.HasWeights) yield return (Of(repeat.Block, inner.Spec), $"{repeat.Block.Name}.{inner.Path}", member);
        }
    }

    private sealed record Names(string Name, string? Paddle);

    private static Names Of(ClassSpec spec, LayerSpec layer) => new(WeightNames.Name(spec, layer), WeightNames.Paddle(spec, layer));
}
