using Generated.Generators.Graph;

namespace Generated.Generators.Analysis;

/// <summary>The width of a value.</summary>
/// <param name="Name">Short, for comments: the member's name where it has one.</param>
/// <param name="Words">Long, for messages.</param>
internal sealed record Width(Dim Value, string Name, string Words)
{
    public static Width Of(DimRef width) => new(
        width.Value, width.Member, width.Member == width.Value.ToString() ? width.Member : $"{width.Member} = {width.Value}");

    public static Width Of(Dim value) => new(value, value.ToString(), value.ToString());
}

/// <summary>
/// Symbolic widths: what every value of a wiring is wide, and where widths contradict each other. The input of a block
/// has the width that its first consumer asks for.
/// </summary>
internal sealed class Widths
{
    private readonly FlatBody _body;
    private readonly WidthRules _rules;
    private readonly Width?[] _widths;
    private readonly List<Issue> _issues = [];
    private Width? _input;
    private bool _inputFound;

    private Widths(FlatBody body, WidthRules rules)
    {
        _body = body;
        _rules = rules;
        _widths = new Width?[body.Nodes.Count];
    }

    public static Widths Of(FlatBody body, WidthRules rules)
    {
        var widths = new Widths(body, rules);
        widths.Visit();
        if (widths._inputFound) widths.Visit();
        return widths;
    }

    /// <summary>The width of a node's value; null for tokens and where a mistake leaves it open.</summary>
    public Width? this[int node] => _widths[node];

    public IReadOnlyList<Issue> Issues => _issues;

    private void Visit()
    {
        _issues.Clear();
        foreach (var node in _body.Nodes) _widths[node.Id] = Visit(node);
    }

    private Width? Visit(FlatNode node) => node.Op switch
    {
        NodeOp.Input => _input,
        NodeOp.Layer => Layer(node, node.Layer!),
        NodeOp.Section => Section(node),
        NodeOp.Add => Join(node, "+"),
        NodeOp.Multiply => Join(node, "*"),
        _ => _widths[node.Inputs[0]],
    };

    private Width? Layer(FlatNode node, FlatLayer layer)
    {
        switch (layer.Spec)
        {
            case LinearSpec linear:
                Require(node, 0, layer.Path, Width.Of(linear.Input));
                return Width.Of(linear.Output);
            case NormSpec norm:
                Require(node, 0, layer.Path, Width.Of(norm.Width));
                return Width.Of(norm.Width);
            case EmbeddingSpec embedding:
                return Width.Of(embedding.Width);
            case PositionEmbeddingSpec positions:
                return Width.Of(positions.Width);
            case AttentionSpec attention:
                var queries = Width.Of(attention.Heads.Value * attention.HeadDim.Value);
                var keys = Width.Of(attention.KvHeads.Value * attention.HeadDim.Value);
                Require(node, 0, layer.Path, queries);
                Require(node, 1, layer.Path, keys);
                Require(node, 2, layer.Path, keys);
                return queries;
            case SectionsSpec sections:
                var total = Width.Of(Sections.Widths(sections).Aggregate((a, b) => a + b));
                if (Known(node.Inputs[0], total) is { } given && !_rules.AreSame(given.Value, total.Value))
                    Report(node, 0, RuleId.SectionSum, layer.Path, total.Words, given.Words);
                return total;
            case RepeatSpec repeat:
                return Repeat(node, layer, repeat);
            default: // rotary, log-n: as wide as what they are given
                return _widths[node.Inputs[0]];
        }
    }

    private Width? Repeat(FlatNode node, FlatLayer layer, RepeatSpec repeat)
    {
        var given = _widths[node.Inputs[0]];
        if (repeat.Block.IsBroken || repeat.Block.Bodies.Count == 0) return given;
        var inside = Of(Flattening.Bodies(repeat.Block)[0], _rules);
        if (inside[0] is { } taken) Require(node, 0, layer.Path, taken);
        return given;
    }

    private Width? Section(FlatNode node) =>
        _body.Nodes[node.Inputs[0]].Layer?.Spec is SectionsSpec sections && node.Section < sections.Widths.Count
            ? sections.Groups is null ? Width.Of(sections.Widths[node.Section]) : Width.Of(Sections.Widths(sections)[node.Section])
            : null;

    private Width? Join(FlatNode node, string sign)
    {
        var (left, right) = (_widths[node.Inputs[0]], _widths[node.Inputs[1]]);
        if (left is null && right is not null) left = Known(node.Inputs[0], right);
        if (right is null && left is not null) right = Known(node.Inputs[1], left);
        if (left is not null && right is not null && !_rules.AreSame(left.Value, right.Value))
            Report(node, null, RuleId.UnequalWidths, sign, left.Words, right.Words);
        return left ?? right;
    }

    private void Require(FlatNode node, int input, string path, Width taken)
    {
        if (Known(node.Inputs[input], taken) is { } given && !_rules.AreSame(given.Value, taken.Value))
            Report(node, input, RuleId.WidthMismatch, path, taken.Words, given.Words);
    }

    /// <summary>The width of a value; one that is still open stems from the input, which then has the width asked for.</summary>
    private Width? Known(int value, Width asked)
    {
        if (_widths[value] is { } known) return known;
        if (_input is null)
        {
            _input = asked;
            _inputFound = true;
        }

        return null;
    }

    private void Report(FlatNode node, int? input, string rule, params string[] arguments)
    {
        var anchor = input is { } index && node.Layer is not { IsInPart: true }
            ? Anchors.NodeInput(_body.Method, node.Anchor, index)
            : Anchors.Node(_body.Method, node.Anchor);
        _issues.Add(Issue.At(anchor, rule, arguments));
    }
}
