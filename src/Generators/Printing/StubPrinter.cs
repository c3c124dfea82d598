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
        using (writer.Block($"partial class {spec.Name}{(spec.HasTakenName ? "" : $" : {ClassPrinter.Bases(spec)}")}"))
        {
            foreach (var stub in spec.Stubs) writer.Line($"{stub} => {Throw};").Blank();
            if (spec.HasTakenName) return; // Whatever else is emitted would collide again.
            PrintBuild(writer, spec);
            foreach (var member in Members(spec)) writer.Line("/// <inheritdoc/>").Line($"public {member} => {Throw};").Blank();
        }
    }

    /// <summary>Reads the parameters besides, or each would get a warning that nothing does.</summary>
    private static void PrintBuild(SourceWriter writer, ClassSpec spec)
    {
        writer.Line("/// <inheritdoc/>");
        using (writer.Block($"public override void Build({Names.Layers("BuildContext")} build)"))
        {
            foreach (var parameter in spec.Parameters.Where(IsReadable)) writer.Line($"_ = {parameter.Name};");
            writer.Line(Throw + ";");
        }

        writer.Blank();

        static bool IsReadable(ParameterSpec parameter) =>
            parameter.IsConfig ? !parameter.Type.StartsWith("ref ", StringComparison.Ordinal) : parameter.Type == "int";
    }

    private static IEnumerable<string> Members(ClassSpec spec)
    {
        const string enumerable = "global::System.Collections.Generic.IEnumerable";
        var (isModel, isPart) = (spec.Kind == ClassKind.Model, spec.Kind == ClassKind.Part);
        if (!isModel) yield return $"{Names.Flow} Eager({Names.Flow} x)";
        if (isPart) yield break;

        foreach (var pass in new[] { "Full", "Prefill", "Decode" })
            yield return $"override {Names.Tensor} {pass}({Names.Tensor} {(isModel ? "ids" : "x")}, {Names.Pass} pass)";
        yield return $"override {enumerable}<{Names.Architectures("WeightSlot")}> Weights()";
        yield return $"override {Names.List}<{Names.Architectures("LinearSite")}> LinearSites";
        if (spec.Config is { } config)
        {
            yield return $"static {Names.Architectures("ModelStructure")} StructureOf({config.Type} config)";
            yield return $"static {enumerable}<{Names.Architectures("TensorSpec")}> TensorsOf({config.Type} config{(isModel ? "" : ", int index")})";
            if (isModel) yield return $"static {spec.Name} Create({config.Type} config, {Names.Layers("BuildOptions")} options)";
        }

        if (!isModel) yield break;
        yield return $"override {Names.Tensor} Eager({Names.Tensor} ids, {Names.Pass} pass)";
        yield return "override object Config";
        yield return $"override {Names.Architectures("ModelStructure")} Structure";
        yield return $"override {Names.List}<{Names.Architectures("Block")}> AllBlocks";
        yield return "override global::Generated.Passes.IInputScheme Inputs";
        yield return $"static {Names.Architectures("ArchitectureInfo")} Architecture";
    }
}
