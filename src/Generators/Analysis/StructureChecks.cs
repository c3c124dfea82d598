using Generated.Generators.Graph;

namespace Generated.Generators.Analysis;

/// <summary>Checks what attention sees of positions, and notes what quantization will meet: norms that do not fold, biases that a shift adds.</summary>
internal static class StructureChecks
{
    public static IEnumerable<Issue> Of(ClassSpec spec, IReadOnlyList<FlatBody> bodies) => bodies
        .SelectMany(b => Norms(b, spec.Kind).Concat(Rotations(b)))
        .Concat(Positions(spec, bodies));

    private static IEnumerable<Issue> Norms(FlatBody body, ClassKind kind)
    {
        foreach (var group in NormGroups.Of(body, kind))
        {
            if (group.Linears.Count == 0) continue;
            var node = body.Nodes[group.Node];
            if (group.Conflicts.FirstOrDefault(c => c.When is null && !c.IsInWeight) is { } conflict)
            {
                var linears = string.Join(", ", group.Linears.Select(l => $"'{l.Path}'"));
                yield return Issue.At(Anchors.Node(body.Method, node.Anchor), RuleId.NormNotFoldable, group.Norm, linears, conflict.Consumer);
            }

            if (!group.IsFoldable) continue;
            foreach (var member in group.Linears)
                if (body.Nodes.First(n => n.Layer?.Path == member.Path).Linear is { Bias: false, BiasWhen: null })
                    yield return Issue.At(Anchors.Layer(member.Path.Split('.')[0]), RuleId.NoBiasForShift, member.Path);
        }
    }

    private static IEnumerable<Issue> Rotations(FlatBody body)
    {
        foreach (var node in body.Nodes)
        {
            if (node.Layer?.Spec is not AttentionSpec || node.Inputs.Count < 2) continue;
            var (queries, keys) = (IsRotated(body, node.Inputs[0]), IsRotated(body, node.Inputs[1]));
            if (queries == keys) continue;
            yield return Issue.At(
                Anchors.Node(body.Method, node.Anchor), RuleId.HalfRotated, node.Layer.Path, queries ? "queries" : "keys", queries ? "keys" : "queries");
        }
    }

    /// <summary>Whether a value went through a rotary embedding since the linear that made it.</summary>
    private static bool IsRotated(FlatBody body, int value)
    {
        for (var node = body.Nodes[value]; node.Inputs.Count == 1 && node.Linear is null; node = body.Nodes[node.Inputs[0]])
            if (node.Layer?.Spec is RotarySpec) return true;
        return false;
    }

    /// <summary>Attention without rotary or ALiBi needs a position embedding in the model; only the model knows.</summary>
    private static IEnumerable<Issue> Positions(ClassSpec spec, IReadOnlyList<FlatBody> bodies)
    {
        if (spec.Kind != ClassKind.Model || spec.Layers.Any(l => l is PositionEmbeddingSpec)) yield break;
        foreach (var repeat in spec.Layers.OfType<RepeatSpec>())
            foreach (var path in Blind(Flattening.Bodies(repeat.Block)))
                yield return Issue.At(Anchors.Layer(repeat.Member), RuleId.NoPositions, $"{repeat.Block.Name}.{path}");
        foreach (var path in Blind(bodies)) yield return Issue.At(Anchors.Layer(path.Split('.')[0]), RuleId.NoPositions, path);
    }

    private static IEnumerable<string> Blind(IEnumerable<FlatBody> bodies) =>
        from body in bodies
        from node in body.Nodes
        where node.Layer?.Spec is AttentionSpec { Alibi: false, AlibiWhen: null } && !IsRotated(body, node.Inputs[0])
        select node.Layer!.Path;
}
