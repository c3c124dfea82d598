using Generated.Generators.Analysis;
using Generated.Generators.Graph;

namespace Generated.Generators.Printing;

/// <summary>Prints the generated half of a block, a part or a model.</summary>
internal static class ClassPrinter
{
    public static string Print(ClassSpec spec)
    {
        var writer = new SourceWriter();
        FilePrinter.Header(writer, spec.Namespace);
        if (!spec.IsUsable)
        {
            StubPrinter.Print(writer, spec);
            return writer.ToString();
        }

        var plan = Planner.Plan(spec);
        using (writer.Block($"partial class {spec.Name} : {Bases(spec)}"))
        {
            LayerSetPrinter.Print(writer, plan);
            BuildPrinter.Print(writer, plan);
            EagerPrinter.Print(writer, plan);
            if (spec.Kind != ClassKind.Part)
            {
                PassPrinter.Print(writer, plan);
                if (spec.Kind == ClassKind.Model) HalvesPrinter.Print(writer, plan);
                WeightsPrinter.Print(writer, plan);
                StructurePrinter.Print(writer, plan);
                SitesPrinter.Print(writer, plan);
            }

            if (spec.Kind == ClassKind.Model) ModelPrinter.Print(writer, plan);
        }

        DeclaredGraphPrinter.Print(writer, spec);
        return writer.ToString();
    }

    public static string Bases(ClassSpec spec) => spec.Kind switch
    {
        ClassKind.Block => Names.Architectures("Block"),
        ClassKind.Part => Names.Architectures("Part"),
        _ => $"{Names.Architectures("CausalModel")}, {Names.Architectures("IArchitecture")}<{spec.Name}>",
    };
}
