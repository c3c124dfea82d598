namespace Generated.Generators.Graph;

/// <summary>
/// Opens the parts of a class's wirings, and lists the wirings that its config can select: a part with a second wiring,
/// or one that may be absent, multiplies them.
/// </summary>
internal static class Flattening
{
    /// <summary>The class's wirings in order of selection: each is taken where its conditions hold, the last one else.</summary>
    public static EquatableArray<FlatBody> Bodies(ClassSpec spec)
    {
        var bodies = new List<FlatBody>();
        foreach (var body in InOrderOfSelection(spec.Bodies))
            foreach (var choice in Choices(spec, body))
                bodies.Add(Flatten(spec, body, choice));
        return bodies.ToEquatableArray();
    }

    /// <summary>Every layer of a class, those of its parts in the class's own terms, in declaration order.</summary>
    public static IEnumerable<FlatLayer> Layers(ClassSpec spec)
    {
        foreach (var layer in spec.Layers)
        {
            if (layer is not UseSpec use)
            {
                yield return new FlatLayer(layer.Member, $"Layers.{layer.Member}", layer);
                continue;
            }

            var rewriting = new LayerRewriting(use, spec);
            foreach (var inner in Layers(use.Part))
                yield return Inside(use, inner.Path, inner.Access, rewriting.Rewrite(inner.Spec));
        }
    }

    private static FlatLayer Inside(UseSpec use, string path, string access, LayerSpec spec) =>
        new($"{use.Member}.{path}", $"{Access(use)}.{access}", spec);

    /// <summary>A part that the config may leave out is there in the wirings that open it.</summary>
    private static string Access(UseSpec use) => use.When is null ? $"Layers.{use.Member}" : $"Layers.{use.Member}!";

    private static IEnumerable<BodySpec> InOrderOfSelection(IEnumerable<BodySpec> bodies) => bodies.OrderBy(b => b.When is null);

    /// <summary>One way to open every part a wiring calls; null leaves an optional part out.</summary>
    private sealed record Choice(string Suffix, EquatableArray<string> Conditions, IReadOnlyDictionary<int, FlatBody?> Parts);

    private static IEnumerable<Choice> Choices(ClassSpec spec, BodySpec body)
    {
        IEnumerable<Choice> choices =
            [new(body.Method, body.When is null ? EquatableArray<string>.Empty : EquatableArray.Of(body.When), new Dictionary<int, FlatBody?>())];
        foreach (var node in body.Nodes)
        {
            if (node.Layer is null || spec.Layer(node.Layer) is not UseSpec use) continue;
            choices = choices.SelectMany(c => Openings(use, spec), (c, o) => new Choice(
                c.Suffix + o.Suffix,
                c.Conditions.Concat(o.Conditions).ToEquatableArray(),
                c.Parts.Append(new KeyValuePair<int, FlatBody?>(node.Id, o.Body)).ToDictionary(p => p.Key, p => p.Value)));
        }

        return choices;
    }

    private static IEnumerable<(string Suffix, EquatableArray<string> Conditions, FlatBody? Body)> Openings(UseSpec use, ClassSpec caller)
    {
        var rewriting = new LayerRewriting(use, caller);
        var present = use.When is null ? [] : new[] { use.When };
        foreach (var body in Bodies(use.Part))
        {
            var conditions = present.Concat(body.Conditions.Select(c => rewriting.Code(c)!)).ToEquatableArray();
            yield return (body.Conditions.Count == 0 ? "" : use.Member + body.Suffix, conditions, body);
        }

        if (use.When is not null) yield return ("Without" + use.Member, EquatableArray<string>.Empty, null);
    }

    private static FlatBody Flatten(ClassSpec spec, BodySpec body, Choice choice)
    {
        var nodes = new List<FlatNode>();
        var ids = new int[body.Nodes.Count];
        foreach (var node in body.Nodes)
        {
            var layer = node.Layer is null ? null : spec.Layer(node.Layer);
            if (layer is UseSpec use)
            {
                ids[node.Id] = choice.Parts[node.Id] is { } part
                    ? Open(nodes, use, spec, part, ids[node.Inputs[0]], node)
                    : ids[node.Inputs[0]];
                continue;
            }

            ids[node.Id] = nodes.Count;
            nodes.Add(new FlatNode(
                nodes.Count, node.Op, node.Inputs.Select(i => ids[i]).ToEquatableArray(),
                layer is null ? null : new FlatLayer(layer.Member, $"Layers.{layer.Member}", layer),
                node.Name, node.Factor, node.Section, node.Id));
        }

        return new FlatBody(body.Method, choice.Suffix, choice.Conditions, nodes.ToEquatableArray(), ids[body.Output]);
    }

    /// <summary>Appends a part's nodes behind the value it is given; returns the node that is its result.</summary>
    private static int Open(List<FlatNode> nodes, UseSpec use, ClassSpec caller, FlatBody part, int input, NodeSpec call)
    {
        var rewriting = new LayerRewriting(use, caller);
        var ids = new int[part.Nodes.Count];
        foreach (var node in part.Nodes)
        {
            if (node.Op == NodeOp.Input)
            {
                ids[node.Id] = input;
                continue;
            }

            ids[node.Id] = nodes.Count;
            nodes.Add(node with
            {
                Id = nodes.Count,
                Inputs = node.Inputs.Select(i => ids[i]).ToEquatableArray(),
                Layer = node.Layer is { } layer ? Inside(use, layer.Path, layer.Access, rewriting.Rewrite(layer.Spec)) : null,
                Name = node.Id == part.Output ? call.Name ?? node.Name : node.Name,
                Factor = node.Factor is null ? null : $"{Access(use)}.{FactorAccess(part, node)}",
                Anchor = call.Id,
                Part = node.Part.Length == 0 ? use.Member : $"{use.Member}.{node.Part}",
            });
        }

        return ids[part.Output];
    }

    /// <summary>A part's factors may name its private members, so the part's emitted half gives each a public name.</summary>
    private static string FactorAccess(FlatBody part, FlatNode node) =>
        node.Factor!.StartsWith("Layers.", StringComparison.Ordinal) ? node.Factor : FactorName(part.Method, node.Anchor);

    /// <summary>The emitted property of a part that holds the factor of one scale in one of its wirings.</summary>
    public static string FactorName(string method, int node) => $"{method}Factor{node}";
}
