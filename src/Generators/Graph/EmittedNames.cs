namespace Generated.Generators.Graph;

/// <summary>
/// Names of the members that the compiler adds to a declared type, and of inherited ones that emitted code relies on: no
/// member of the author's can have them. A test compares them with what is printed and with the runtime's base classes.
/// </summary>
internal static class EmittedNames
{
    private static readonly string[] Always = ["Layers", "LayerSet", "Build", "Eager", "NotBuilt"];

    private static readonly string[] WithPasses =
        ["Full", "Prefill", "Decode", "Weights", "TensorsOf", "StructureOf", "AdapterSites", "LinearSites", "Paths"];

    private static readonly string[] OfModel =
    [
        "Config", "Structure", "AllBlocks", "Inputs", "Create", "Architecture", "OwnTensorsOf", "Enter", "Leave", "NotCut",
        "Context", "Dtype", "Device", "ParameterCount", "Initialize", "Tokens", "Value",
    ];

    private static readonly string[] LocalsAlways = ["x", "build", "layers", "layer", "field"];

    private static readonly string[] LocalsWithPasses =
        ["pass", "tensor", "index", "linears", "normGroups", "scalePairs", "fusedGroups", "exchanges", "attentions", "sequenceExchanges"];

    private static readonly string[] LocalsOfModel = ["ids", "hidden", "next", "i", "block", "slot"];

    /// <summary>Members of a config.</summary>
    public static IReadOnlyList<string> Config { get; } = ["Presets", "Variants", "Read", "Write"];

    /// <summary>The method of a config that is declared for the author, who may give it a body.</summary>
    public const string ConfigCheck = "Check";

    /// <summary>Name of the list of all sites among a class's <c>AdapterSites</c>.</summary>
    public const string AllSites = "All";

    /// <summary>
    /// Parameters and locals of emitted members that read the config or widths: a constructor parameter of such a name would
    /// be hidden by them.
    /// </summary>
    public static IEnumerable<string> Locals(ClassKind kind) => kind switch
    {
        ClassKind.Part => LocalsAlways,
        ClassKind.Block => LocalsAlways.Concat(LocalsWithPasses),
        _ => LocalsAlways.Concat(LocalsWithPasses).Concat(LocalsOfModel),
    };

    /// <summary>Members that every class of a kind gets.</summary>
    public static IEnumerable<string> Of(ClassKind kind) => kind switch
    {
        ClassKind.Part => Always,
        ClassKind.Block => Always.Concat(WithPasses).Append("Index"),
        _ => Always.Concat(WithPasses).Concat(OfModel),
    };

    /// <summary>Members that follow from the wirings of a class without errors.</summary>
    public static IEnumerable<string> OfWirings(ClassSpec spec)
    {
        if (spec.Kind == ClassKind.Part)
            return spec.Bodies.SelectMany(b => b.Nodes.Where(n => n.Factor is not null).Select(n => Flattening.FactorName(b.Method, n.Id)));
        var bodies = Flattening.Bodies(spec);
        string[] passes = spec.Kind == ClassKind.Model ? ["Full", "Prefill", "Decode", "Structure", "Enter", "Leave"] : ["Full", "Prefill", "Decode", "Structure"];
        if (bodies.Count > 1) return bodies.SelectMany(_ => passes, (b, member) => member + b.Suffix);
        return spec.Kind == ClassKind.Model ? ["Structure" + bodies[0].Suffix] : []; // Beside that of its blocks.
    }
}
