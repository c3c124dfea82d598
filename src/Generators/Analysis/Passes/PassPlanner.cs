using Generated.Generators.Graph;

namespace Generated.Generators.Analysis.Passes;

/// <summary>
/// Turns a wiring into the statements of a pass. The full pass runs every layer by itself and shows linear inputs to an
/// observer; prefill and decode run fused products and fused activations.
/// </summary>
internal sealed class PassPlanner
{
    private readonly FlatBody _body;
    private readonly PassKind _kind;
    private readonly Partition _partition;
    private readonly Widths _widths;
    private readonly Names _names;
    private readonly Dictionary<int, string> _values = [];
    private readonly Dictionary<string, FusedGroup> _fused = new(StringComparer.Ordinal);
    private readonly HashSet<int> _folded;
    private readonly HashSet<int> _observed = [];
    private readonly List<Step> _steps = [];
    private readonly bool _isModel;
    private readonly string _class;
    private readonly int? _narrowed;

    private PassPlanner(ClassSpec spec, FlatBody body, PassKind kind, Partition partition, Widths widths, EquatableArray<FusedGroup> fused)
    {
        _body = body;
        _kind = kind;
        _partition = partition;
        _widths = widths;
        _isModel = spec.Kind == ClassKind.Model;
        _class = spec.Name;
        _names = new Names(spec, body, _isModel ? "ids" : "x");
        _folded = kind == PassKind.Full ? [] : [.. body.Nodes.Where(IsGateOfProduct).Select(n => n.Id)];
        if (kind == PassKind.Decode) _folded.UnionWith(body.Nodes.Where(n => Rotations(n) is not null).SelectMany(n => n.Inputs.Take(2)));
        _narrowed = _isModel && kind == PassKind.Prefill ? LastPositions.NarrowAfter(body) : null;
        if (kind == PassKind.Full) return;
        foreach (var group in fused)
            foreach (var member in group.Members) _fused[member.Path] = group;
    }

    public static PassPlan Plan(ClassSpec spec, FlatBody body, PassKind kind, Partition partition, Widths widths, EquatableArray<FusedGroup> fused) =>
        new PassPlanner(spec, body, kind, partition, widths, fused).Plan();

    private PassPlan Plan()
    {
        foreach (var node in _body.Nodes)
        {
            if (_values.ContainsKey(node.Id) || _folded.Contains(node.Id)) continue;
            if (node.Op == NodeOp.Input) _values[node.Id] = _names.Input;
            else Visit(node);
            if (node.Id == _narrowed) Narrow(node);
        }

        var result = _values[_body.Output];
        return new PassPlan(_kind, _names.Input, Liveness.WithDisposals(_steps, _names.Input, result), result) { IsModel = _isModel };
    }

    private void Visit(FlatNode node)
    {
        switch (node.Layer?.Spec)
        {
            case LinearSpec when _fused.TryGetValue(node.Layer.Path, out var group):
                Fused(node, group);
                return;
            case SectionsSpec:
                Cut(node);
                return;
            case LinearSpec when _kind == PassKind.Full:
                Observe(node);
                break;
            case RepeatSpec:
                Add(node, StepKind.Repeat, Offset(node));
                return;
        }

        if (_kind == PassKind.Decode && Rotations(node) is { } rotary) RotatedAttention(node, rotary);
        else if (node.Layer is not null) Add(node, StepKind.Layer);
        else if (NormOfSum(node) is { } norm) AddNorm(node, norm);
        else if (node.Op == NodeOp.Multiply && Gate(node) is { } gate) SiluMultiply(node, gate);
        else Add(node, Operator(node.Op));
        if (_isModel && _kind == PassKind.Full && node.Layer is not null && IsAfterRepeat(node) && node.Id != _body.Output)
            _steps.Add(new Step(StepKind.ProbeValue, default, EquatableArray.Of(_values[node.Id])) { Site = Snake(node.Layer.Spec.Member) });
    }

    private void Add(FlatNode node, StepKind kind, string offset = "")
    {
        var inputs = Inputs(node);
        var result = Declare(node);
        _steps.Add(new Step(kind, EquatableArray.Of(result), inputs)
        {
            Guard = node.Layer?.Spec.When is null ? "" : _names.Free(result + "Layer"),
            Layer = node.Layer?.Spec,
            Access = node.Layer?.Access ?? "",
            Factor = node.Factor ?? "",
            Comment = Comment(node),
            Offset = offset,
        });
    }

    private void Cut(FlatNode node)
    {
        var sections = _body.Consumers(node.Id).Where(n => n.Op == NodeOp.Section).ToDictionary(n => n.Section);
        var inputs = Inputs(node);
        var spec = (SectionsSpec)node.Layer!.Spec;
        var results = Enumerable.Range(0, spec.Widths.Count)
            .Select(i => sections.TryGetValue(i, out var section) ? Declare(section) : _names.Free("unused"))
            .ToEquatableArray();
        _values[node.Id] = results[0];
        var shapes = sections.Values.OrderBy(s => s.Section).Select(Shape).Distinct().ToList();
        _steps.Add(new Step(StepKind.Cut, results, inputs)
        {
            Layer = spec,
            Access = node.Layer.Access,
            Comment = string.Join(" and ", shapes) + Division(node),
        });
    }

    private void Fused(FlatNode first, FusedGroup group)
    {
        var members = group.Members.Select(m => _body.Nodes.First(n => n.Layer?.Path == m.Path)).ToList();
        var inputs = Inputs(first);
        var shapes = members.Select(Shape).Distinct();
        _steps.Add(new Step(StepKind.Fused, members.Select(Declare).ToEquatableArray(), inputs)
        {
            Access = $"Layers.{group.Name}",
            Comment = string.Join(" and ", shapes) + Division(first),
        });
    }

    private void SiluMultiply(FlatNode node, FlatNode gate)
    {
        var other = node.Inputs[0] == gate.Id ? node.Inputs[1] : node.Inputs[0];
        var inputs = EquatableArray.Of(_values[gate.Inputs[0]], _values[other]);
        _steps.Add(new Step(StepKind.SiluMultiply, EquatableArray.Of(Declare(node)), inputs) { Comment = Comment(node) });
    }

    private void AddNorm(FlatNode sum, FlatNode norm)
    {
        var inputs = Inputs(sum);
        _steps.Add(new Step(StepKind.AddNorm, EquatableArray.Of(Declare(sum), Declare(norm)), inputs)
        {
            Layer = norm.Layer!.Spec,
            Access = norm.Layer.Access,
            Comment = Comment(sum),
        });
    }

    private void RotatedAttention(FlatNode node, FlatNode rotary)
    {
        var inputs = EquatableArray.Of(_values[_body.Nodes[node.Inputs[0]].Inputs[0]], _values[_body.Nodes[node.Inputs[1]].Inputs[0]], _values[node.Inputs[2]]);
        _steps.Add(new Step(StepKind.RotatedAttention, EquatableArray.Of(Declare(node)), inputs)
        {
            Layer = node.Layer!.Spec,
            Access = node.Layer.Access,
            Rotary = rotary.Layer!.Access,
            Comment = Comment(node),
        });
    }

    /// <summary>Shows the input of a linear to an observer, once for all linears that read it.</summary>
    private void Observe(FlatNode node)
    {
        if (_observed.Add(node.Inputs[0]))
            _steps.Add(new Step(StepKind.ProbeInput, default, Inputs(node)) { Site = $"{_class}.{node.Layer!.Path}" });
    }

    private void Narrow(FlatNode node)
    {
        var name = _names.Free("last");
        _steps.Add(new Step(StepKind.LastPosition, EquatableArray.Of(name), EquatableArray.Of(_values[node.Id]))
        {
            Comment = Shape(node).Replace(", T, ", ", 1, "),
        });
        _values[node.Id] = name;
    }

    private string Declare(FlatNode node) => _values[node.Id] = _names.For(node, node.Id == _body.Output);

    private EquatableArray<string> Inputs(FlatNode node) => node.Inputs.Select(i => _values[i]).ToEquatableArray();

    private string Offset(FlatNode repeat) => string.Join(" + ", _body.Nodes
        .Where(n => n.Id < repeat.Id && n.Layer?.Spec is RepeatSpec)
        .Select(n => $"{n.Layer!.Access}.Count"));

    private bool IsAfterRepeat(FlatNode node) => _body.Nodes.Any(n => n.Layer?.Spec is RepeatSpec && n.Id < node.Id);

    /// <summary>Whether a value is a silu that only a product reads.</summary>
    private bool IsGateOfProduct(FlatNode node) =>
        node.Op == NodeOp.Silu && node.Id != _body.Output && _body.Consumers(node.Id).ToList() is [{ Op: NodeOp.Multiply } product] && Gate(product)?.Id == node.Id;

    /// <summary>The silu operand of a product that can be computed with it: the first one.</summary>
    private FlatNode? Gate(FlatNode product) => _kind == PassKind.Full || product.Inputs[0] == product.Inputs[1] ? null : product.Inputs
        .Select(i => _body.Nodes[i])
        .FirstOrDefault(n => n.Op == NodeOp.Silu && n.Id != _body.Output && _body.Consumers(n.Id).Count() == 1);

    /// <summary>The rotation of an attention's queries and keys, where one always-present rotary layer rotates both and nothing else reads the results.</summary>
    private FlatNode? Rotations(FlatNode attention)
    {
        if (attention.Layer?.Spec is not AttentionSpec) return null;
        var (queries, keys) = (_body.Nodes[attention.Inputs[0]], _body.Nodes[attention.Inputs[1]]);
        return queries.Id != keys.Id
            && queries.Layer is { Spec: RotarySpec { When: null } } rotary && keys.Layer?.Path == rotary.Path
            && new[] { queries, keys }.All(n => n.Id != _body.Output && _body.Consumers(n.Id).Count() == 1)
            ? queries
            : null;
    }

    /// <summary>In a decode pass, the always-present norm of a sum.</summary>
    private FlatNode? NormOfSum(FlatNode sum) => _kind != PassKind.Decode || sum.Op != NodeOp.Add
        ? null
        : _body.Consumers(sum.Id).FirstOrDefault(n => n.Norm is { When: null });

    private static StepKind Operator(NodeOp op) => op switch
    {
        NodeOp.Add => StepKind.Add,
        NodeOp.Multiply => StepKind.Multiply,
        NodeOp.Scale => StepKind.Scale,
        NodeOp.Silu => StepKind.Silu,
        NodeOp.Gelu => StepKind.Gelu,
        NodeOp.GeluTanh => StepKind.GeluTanh,
        NodeOp.Relu => StepKind.Relu,
        _ => throw new InvalidOperationException($"No step computes {op}."),
    };

    private string Comment(FlatNode node) => Shape(node) + Division(node);

    private string Shape(FlatNode node)
    {
        var time = _kind == PassKind.Decode || (_narrowed is { } narrowed && node.Id > narrowed) ? "1" : "T";
        return _widths[node.Id] is { } width ? $"[B, {time}, {width.Name}]" : "";
    }

    private string Division(FlatNode node)
    {
        var split = node.Layer is { Spec.HasWeights: true } layer ? _partition.Of(layer.Path).Kind : SplitKind.Replicated;
        return split switch
        {
            SplitKind.Row => ", summed over ranks",
            SplitKind.Vocabulary => node.Layer!.Spec is EmbeddingSpec ? ", summed over ranks" : ", gathered from all ranks",
            _ when _partition.IsSplit(_body, node.Id) => ", divided among ranks",
            _ => "",
        };
    }

    private static string Snake(string name)
    {
        var camel = Names.Camel(name);
        return string.Concat(camel.Select(c => char.IsUpper(c) ? "_" + char.ToLowerInvariant(c) : c.ToString()));
    }
}
