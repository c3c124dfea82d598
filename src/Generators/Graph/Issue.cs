namespace Generated.Generators.Graph;

/// <summary>
/// Something wrong (or worth knowing) about a declaration, found without the compiler's types: which rule, at which part
/// of the declaration, and the words of the message. The parser knows where each anchor lies in the source.
/// </summary>
/// <param name="RuleId">One of <see cref="Graph.RuleId"/>.</param>
/// <param name="Anchor">Built by <see cref="Anchors"/>.</param>
/// <param name="Arguments">Fill the rule's message.</param>
internal sealed record Issue(string RuleId, string Anchor, EquatableArray<string> Arguments)
{
    public static Issue At(string anchor, string ruleId, params string[] arguments) =>
        new(ruleId, anchor, arguments.ToEquatableArray());
}

/// <summary>
/// Names the places of a declaration that an <see cref="Issue"/> can point at. An anchor without a location of its own
/// falls back to the part of the declaration that contains it (<c>layer:Q:arg:0</c> to <c>layer:Q</c> to the class).
/// </summary>
internal static class Anchors
{
    /// <summary>The class's name.</summary>
    public const string Class = "class";

    /// <summary>The layer method's name.</summary>
    public static string Layer(string member) => $"layer:{member}";

    /// <summary>A positional argument of the layer's attribute (its n-th width or name).</summary>
    public static string LayerArgument(string member, int index) => $"layer:{member}:arg:{index}";

    /// <summary>A named argument of the layer's attribute, for example <c>BiasWhen</c>.</summary>
    public static string LayerArgument(string member, string name) => $"layer:{member}:arg:{name}";

    /// <summary>The checkpoint name in the layer's attribute.</summary>
    public static string LayerName(string member) => $"layer:{member}:name";

    /// <summary>The checkpoint prefix in the class's attribute.</summary>
    public const string Prefix = "class:prefix";

    /// <summary>The <c>model_type</c> in a model's attribute.</summary>
    public const string ModelType = "class:model_type";

    /// <summary>The name of the method that states a wiring.</summary>
    public static string Body(string method) => $"body:{method}";

    /// <summary>The expression that computes a node: a call's name, an operator.</summary>
    public static string Node(string method, int node) => $"body:{method}:node:{node}";

    /// <summary>The n-th operand or argument of that expression.</summary>
    public static string NodeInput(string method, int node, int input) => $"body:{method}:node:{node}:in:{input}";

    /// <summary>A preset; falls back to the class where the config is declared elsewhere.</summary>
    public static string Preset(string name) => $"preset:{name}";

    /// <summary>A config property.</summary>
    public static string Config(string member) => $"config:{member}";
}
