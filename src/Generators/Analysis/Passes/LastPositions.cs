using Generated.Generators.Graph;

namespace Generated.Generators.Analysis.Passes;

/// <summary>A prefill needs the logits of the last position only: finds where a model can drop the other positions.</summary>
internal static class LastPositions
{
    /// <summary>
    /// The last repeated block, where everything behind it works position by position and reads nothing from before it; else
    /// the model's result.
    /// </summary>
    public static int NarrowAfter(FlatBody body)
    {
        var repeats = body.Nodes.Where(n => n.Layer?.Spec is RepeatSpec).ToList();
        if (repeats.Count == 0) return body.Output;
        var last = repeats[repeats.Count - 1].Id;
        var behind = new HashSet<int> { last };
        foreach (var node in body.Nodes.Skip(last + 1))
        {
            var reads = node.Inputs.Any(behind.Contains);
            if (!reads) continue;
            if (node.Layer?.Spec is AttentionSpec or RotarySpec or LogNSpec || !node.Inputs.All(behind.Contains)) return body.Output;
            behind.Add(node.Id);
        }

        return behind.Contains(body.Output) ? last : body.Output;
    }
}
