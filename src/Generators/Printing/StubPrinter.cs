using Generated.Generators.Graph;

namespace Generated.Generators.Printing;

/// <summary>
/// Prints members that throw for a declaration with an error, so that one mistake stays one error: the class still has its
/// base, its partial methods and its passes.
/// </summary>
internal static class StubPrinter
{
    private static readonly string Throw =
        $"throw new global::System.InvalidOperationException({Quoting.Literal("The declaration has errors; see the build's output.")})";

    public static void Print(SourceWriter writer, ClassSpec spec)
    {
        using (writer.Block($"partial class {spec.Name}{Base(spec.Kind)}"))
        {
            foreach (var stub in spec.Stubs) writer.Line($"{stub} => {Throw};").Blank();
            if (spec.Kind == ClassKind.Block)
                writer.Line("/// <summary>Runs the declared wiring operator by operator.</summary>").Line($"public {Names.Flow} Eager({Names.Flow} x) => {Throw};").Blank();
            foreach (var member in Overrides(spec.Kind)) writer.Line("/// <inheritdoc/>").Line($"public override {member} => {Throw};").Blank();
        }
    }

    private static string Base(ClassKind kind) => kind switch
    {
        ClassKind.Block => $" : {Names.Architectures("Block")}",
        ClassKind.Part => $" : {Names.Architectures("Part")}",
        _ => $" : {Names.Architectures("CausalModel")}",
    };

    private static IEnumerable<string> Overrides(ClassKind kind)
    {
        yield return $"void Build({Names.Layers("BuildContext")} build)";
        if (kind == ClassKind.Part) yield break;
        var input = kind == ClassKind.Model ? "ids" : "x";
        foreach (var pass in new[] { "Full", "Prefill", "Decode" })
            yield return $"{Names.Tensor} {pass}({Names.Tensor} {input}, {Names.Pass} pass)";
        yield return $"global::System.Collections.Generic.IEnumerable<{Names.Architectures("WeightSlot")}> Weights()";
        yield return $"{Names.List}<{Names.Architectures("LinearSite")}> LinearSites";
        if (kind != ClassKind.Model) yield break;
        yield return $"{Names.Tensor} Eager({Names.Tensor} ids, {Names.Pass} pass)";
        yield return "object Config";
        yield return $"{Names.Architectures("ModelStructure")} Structure";
        yield return "global::Generated.Passes.IInputScheme Inputs";
        yield return $"{Names.List}<{Names.Architectures("Block")}> AllBlocks";
    }
}
