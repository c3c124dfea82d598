using Generated.Generators.Graph;

namespace Generated.Generators.Analysis;

/// <summary>
/// Which values of one wiring are alike under tensor parallelism: operators that work feature by feature or head by head tie
/// their operands and result together, and a tied set is whole on every rank or divided as one. Linears tie nothing.
/// </summary>
internal sealed class Layouts
{
    private readonly int[] _set;
    private readonly Dictionary<int, string> _whole = []; // set → what needs it whole, in words

    public Layouts(FlatBody body)
    {
        Body = body;
        _set = Enumerable.Range(0, body.Nodes.Count).ToArray();
        foreach (var node in body.Nodes)
            if (Ties(node))
                foreach (var input in node.Inputs) Join(node.Id, input);
        foreach (var node in body.Nodes) MarkWhole(node);
        Force(body.Output, "the result");
    }

    public FlatBody Body { get; }

    public bool IsSplit(int value) => !_whole.ContainsKey(Find(value));

    /// <summary>What needs a value whole; null where it can be divided.</summary>
    public string? WholeFor(int value) => _whole.TryGetValue(Find(value), out var reason) ? reason : null;

    /// <summary>Makes a value and all that is tied to it whole; says whether that is news.</summary>
    public bool Force(int value, string reason)
    {
        var set = Find(value);
        if (_whole.ContainsKey(set)) return false;
        _whole.Add(set, reason);
        return true;
    }

    /// <summary>The nodes whose values are tied to a value.</summary>
    public IEnumerable<FlatNode> Tied(int value) => Body.Nodes.Where(n => Find(n.Id) == Find(value));

    private static bool Ties(FlatNode node) => node.Op != NodeOp.Input
        && (node.Op != NodeOp.Layer || node.Layer!.Spec is RotarySpec or AttentionSpec or SectionsSpec or LogNSpec);

    private void MarkWhole(FlatNode node)
    {
        foreach (var input in node.Inputs)
            if (Body.Nodes[input].Part != node.Part) Force(input, "a part");
        switch (node.Op, node.Layer?.Spec)
        {
            case (NodeOp.Input, _):
                Force(node.Id, "the input");
                break;
            case (_, NormSpec):
                Force(node.Inputs[0], $"the norm '{node.Layer!.Path}'");
                Force(node.Id, $"the norm '{node.Layer.Path}'");
                break;
            case (_, RepeatSpec):
                Force(node.Inputs[0], $"the blocks '{node.Layer!.Path}'");
                Force(node.Id, $"the blocks '{node.Layer.Path}'");
                break;
            case (_, EmbeddingSpec or PositionEmbeddingSpec):
                Force(node.Id, $"the embedding '{node.Layer!.Path}'");
                break;
            case (_, SectionsSpec) when Sections.Origin(Body, node.Inputs[0]) is null:
                Force(node.Id, $"the sections '{node.Layer!.Path}', which do not directly follow a linear");
                break;
        }
    }

    private int Find(int value)
    {
        while (_set[value] != value) value = _set[value] = _set[_set[value]];
        return value;
    }

    private void Join(int left, int right) => _set[Find(left)] = Find(right);
}
