using Generated.Generators.Graph;

namespace Generated.Generators.Analysis;

internal enum SequenceExchangeKind
{
    /// <summary>Positions are gathered from all ranks before the layer.</summary>
    GatherBefore,

    /// <summary>Partial results are summed, and each rank keeps its positions.</summary>
    ReduceScatterAfter,

    /// <summary>Each rank keeps its positions of a result that all have.</summary>
    ScatterAfter,

    /// <summary>Gathered before and cut after a layer that every rank computes whole.</summary>
    GatherAround,
}

/// <summary>An exchange under sequence parallelism; <see cref="When"/> says whether the layer exists.</summary>
internal sealed record SequenceExchangePlan(string Path, SequenceExchangeKind Kind, string? When);

/// <summary>
/// Sequence parallelism (Korthikanti et al. 2022): what tensor parallelism leaves whole on every rank, the norms and the
/// residual stream, is divided by positions instead. That is possible where all of it works position by position; attention
/// sees all positions, but of its own heads.
/// </summary>
/// <param name="Obstacle">What stands against it, in words; null where nothing does.</param>
/// <param name="Exchanges">Where positions are exchanged, in order of execution; none where there is an obstacle.</param>
internal sealed record SequenceParallel(string? Obstacle, EquatableArray<SequenceExchangePlan> Exchanges)
{
    public static SequenceParallel Of(FlatBody body, ClassKind kind, Partition partition)
    {
        if (FindObstacle(body, kind, partition) is { } obstacle) return new SequenceParallel(obstacle, EquatableArray<SequenceExchangePlan>.Empty);
        var gathered = new HashSet<int>();
        return new SequenceParallel(null, body.Nodes.SelectMany(node => Exchange(node, partition, gathered)).ToEquatableArray());
    }

    private static string? FindObstacle(FlatBody body, ClassKind kind, Partition partition)
    {
        foreach (var node in body.Nodes)
        {
            if (node.Layer is { Spec: AttentionSpec or RotarySpec or LogNSpec } layer && !partition.IsSplit(body, node.Id))
                return $"'{layer.Path}' needs all positions of values that are not divided by heads";
        }

        if (kind != ClassKind.Model) return null;
        // A model's logits must have all positions, and its head gathers them only where it is divided.
        var last = body.Nodes[body.Output].Layer;
        if (last is null) return "the result is not that of a head";
        return partition.Of(last.Path).Kind == SplitKind.Vocabulary ? null : $"the result of '{last.Path}' is not divided over the vocabulary";
    }

    private static IEnumerable<SequenceExchangePlan> Exchange(FlatNode node, Partition partition, HashSet<int> gathered)
    {
        if (node.Layer is not { } layer) yield break;
        var kind = partition.Of(layer.Path).Kind;
        SequenceExchangeKind? exchange = (layer.Spec, kind) switch
        {
            (EmbeddingSpec, SplitKind.Vocabulary) => SequenceExchangeKind.ReduceScatterAfter,
            (EmbeddingSpec or PositionEmbeddingSpec, _) => SequenceExchangeKind.ScatterAfter,
            (LinearSpec, SplitKind.Row) => SequenceExchangeKind.ReduceScatterAfter,
            (LinearSpec, SplitKind.Replicated) => SequenceExchangeKind.GatherAround,
            // Linears that read one value share its gathering.
            (LinearSpec, _) when gathered.Add(node.Inputs[0]) => SequenceExchangeKind.GatherBefore,
            _ => null,
        };
        if (exchange is { } found) yield return new SequenceExchangePlan(layer.Path, found, layer.Spec.When);
    }
}
