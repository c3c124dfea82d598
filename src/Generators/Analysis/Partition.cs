using Generated.Generators.Graph;

namespace Generated.Generators.Analysis;

/// <summary>
/// How a class is divided over a tensor-parallel group. A linear whose result may stay divided until a next linear is split
/// by columns and that next one by rows; where a norm, a residual or the result comes between, both stay replicated. A part
/// takes and gives whole values, so it is divided the same way wherever it is used.
/// </summary>
internal sealed class Partition
{
    private readonly Dictionary<string, Split> _splits = new(StringComparer.Ordinal);
    private readonly List<Issue> _issues = [];
    private readonly List<Layouts> _layouts;

    private Partition(IEnumerable<FlatBody> bodies, ClassKind kind)
    {
        _layouts = bodies.Select(b => new Layouts(b)).ToList();
        while (_layouts.Aggregate(false, (changed, l) => Settle(l, kind) | changed) || Unify())
        {
            // Forcing a value whole can change what its producers and readers may do, in every wiring.
        }

        foreach (var layouts in _layouts)
        {
            foreach (var node in layouts.Body.Nodes)
                if (node.Layer is { } layer && !_splits.ContainsKey(layer.Path)) _splits.Add(layer.Path, Decide(layouts, node, kind));
            foreach (var node in layouts.Body.Nodes)
                if (node.Linear is not null) CheckOverride(layouts, node);
        }
    }

    public static Partition Of(ClassSpec spec) => new(Flattening.Bodies(spec), spec.Kind);

    public static Partition Of(IEnumerable<FlatBody> bodies, ClassKind kind) => new(bodies, kind);

    public IReadOnlyList<Issue> Issues => _issues;

    /// <summary>How a layer is divided. An attention, sections, … that is <see cref="SplitKind.Column"/> works on divided values.</summary>
    public Split Of(string path) => _splits.TryGetValue(path, out var split) ? split : Split.Replicated;

    /// <summary>Whether a value is divided, in one of the class's wirings.</summary>
    public bool IsSplit(FlatBody body, int value) => _layouts.First(l => ReferenceEquals(l.Body, body) || l.Body.Equals(body)).IsSplit(value);

    /// <summary>Applies what single linears demand; says whether anything changed.</summary>
    private static bool Settle(Layouts layouts, ClassKind kind)
    {
        var changed = false;
        foreach (var node in layouts.Body.Nodes)
        {
            if (node.Linear is not { } linear) continue;
            var name = $"'{node.Layer!.Path}'";
            var isWhole = linear.Split == SplitChoice.Replicated || linear.When is not null || IsHead(layouts.Body, node, kind);
            if (isWhole || linear.Split == SplitChoice.Column) changed |= layouts.Force(node.Inputs[0], $"{name}, which takes whole values");
            if (isWhole || linear.Split == SplitChoice.Row || layouts.IsSplit(node.Inputs[0]))
                changed |= layouts.Force(node.Id, $"{name}, whose result is summed over ranks");
        }

        return changed;
    }

    /// <summary>A linear must be divided in one way in all wirings; where they differ, its values become whole.</summary>
    private bool Unify()
    {
        var kinds = new Dictionary<string, SplitKind>(StringComparer.Ordinal);
        foreach (var layouts in _layouts)
        {
            foreach (var node in layouts.Body.Nodes)
            {
                if (node.Linear is null) continue;
                var kind = Kind(layouts, node);
                if (!kinds.TryGetValue(node.Layer!.Path, out var other)) kinds.Add(node.Layer.Path, kind);
                else if (other != kind) return ForceEverywhere(node.Layer.Path);
            }
        }

        return false;
    }

    private bool ForceEverywhere(string path)
    {
        var changed = false;
        foreach (var layouts in _layouts)
        {
            foreach (var node in layouts.Body.Nodes)
            {
                if (node.Layer?.Path != path) continue;
                changed |= layouts.Force(node.Inputs[0], "another wiring");
                changed |= layouts.Force(node.Id, "another wiring");
            }
        }

        return changed;
    }

    private static SplitKind Kind(Layouts layouts, FlatNode node) =>
        layouts.IsSplit(node.Inputs[0]) ? SplitKind.Row : layouts.IsSplit(node.Id) ? SplitKind.Column : SplitKind.Replicated;

    private Split Decide(Layouts layouts, FlatNode node, ClassKind kind)
    {
        switch (node.Layer!.Spec)
        {
            case LinearSpec linear when IsHead(layouts.Body, node, kind):
                return linear.Split == SplitChoice.Replicated ? Split.Replicated : Split.Vocabulary;
            case LinearSpec:
                var (split, value) = (Kind(layouts, node), layouts.IsSplit(node.Id) ? node.Id : node.Inputs[0]);
                if (split == SplitKind.Replicated) return Split.Replicated;
                var sections = split == SplitKind.Column ? Cut(layouts, node) : null;
                return new Split(split, HeadWidth(layouts, value), sections is { Groups: null } ? sections.Widths : default, sections?.Groups);
            case EmbeddingSpec:
                var sharer = layouts.Body.Nodes.FirstOrDefault(n => n.Linear?.TiedTo == node.Layer.Path);
                return sharer?.Linear!.Split == SplitChoice.Replicated ? Split.Replicated : Split.Vocabulary;
            case SectionsSpec when layouts.IsSplit(node.Id) && Sections.Origin(layouts.Body, node.Inputs[0]) is { } origin:
                return Decide(layouts, origin, kind);
            case AttentionSpec or RotarySpec or LogNSpec when layouts.IsSplit(node.Id):
                return new Split(SplitKind.Column, HeadWidth(layouts, node.Id));
            default:
                return Split.Replicated;
        }
    }

    private static bool IsHead(FlatBody body, FlatNode node, ClassKind kind) =>
        kind == ClassKind.Model && node.Linear is { Split: not SplitChoice.Row, When: null } linear && (linear.TiedTo is not null || node.Id == body.Output);

    private static SectionsSpec? Cut(Layouts layouts, FlatNode linear) => layouts.Tied(linear.Id)
        .Where(n => n.Layer?.Spec is SectionsSpec && Sections.Origin(layouts.Body, n.Inputs[0])?.Id == linear.Id)
        .Select(n => (SectionsSpec)n.Layer!.Spec)
        .FirstOrDefault();

    private static DimRef? HeadWidth(Layouts layouts, int value) => layouts.Tied(value)
        .Select(n => n.Layer?.Spec switch
        {
            AttentionSpec attention => attention.HeadDim,
            RotarySpec rotary => rotary.HeadDim,
            _ => null,
        })
        .FirstOrDefault(w => w is not null);

    private void CheckOverride(Layouts layouts, FlatNode node)
    {
        var (asked, words, value) = node.Linear!.Split switch
        {
            SplitChoice.Column => (SplitKind.Column, "columns", node.Id),
            SplitChoice.Row => (SplitKind.Row, "rows", node.Inputs[0]),
            _ => (SplitKind.Replicated, "", -1),
        };
        if (value < 0 || Of(node.Layer!.Path).Kind == asked || Of(node.Layer.Path).Kind == SplitKind.Vocabulary) return;
        var reason = layouts.WholeFor(value) is { } whole
            ? asked == SplitKind.Column ? $"its result must be whole for {whole}" : $"its input is whole, because of {whole}"
            : "another wiring needs it whole";
        var issue = Issue.At(Anchors.LayerArgument(node.Layer.Path.Split('.')[0], "Partition"), RuleId.Partition, node.Layer.Path, words, reason);
        if (!_issues.Contains(issue)) _issues.Add(issue);
    }
}
