using Generated.Generators.Analysis;
using Generated.Generators.Graph;

namespace Generated.Generators.Printing;

/// <summary>Prints the layers' partial methods: the declared body runs on them operator by operator and is the oracle of the passes.</summary>
internal static class EagerPrinter
{
    public static void Print(SourceWriter writer, ClassPlan plan)
    {
        var spec = plan.Spec;
        foreach (var layer in spec.Layers) Implementation(writer, layer);
        if (spec.Kind == ClassKind.Model) ModelEager(writer, spec);
        else BlockEager(writer, spec);
    }

    private static void Implementation(SourceWriter writer, LayerSpec layer)
    {
        var modifiers = layer.Modifiers.Length == 0 ? "" : layer.Modifiers + " ";
        var (input, result) = layer switch
        {
            EmbeddingSpec or PositionEmbeddingSpec => (Names.Tokens, Names.Flow),
            SectionsSpec { Widths.Count: 2 } => (Names.Flow, Names.Flow2),
            SectionsSpec => (Names.Flow, Names.Flow3),
            _ => (Names.Flow, Names.Flow),
        };
        var parameters = string.Join(", ", layer.Arguments.Select(a => $"{input} {a}"));
        var header = $"{modifiers}partial {result} {layer.Member}({parameters})";
        var arguments = string.Join(", ", layer.Arguments);
        if (layer is RepeatSpec)
        {
            using (writer.Block(header))
                writer.Line($"foreach (var block in Layers.{layer.Member}) {arguments} = block.Eager({arguments});").Line($"return {arguments};");
        }
        else
        {
            var verb = layer is SectionsSpec sections ? $"Eager{sections.Widths.Count}" : "Eager";
            writer.Line(layer.When is null
                ? $"{header} => Layers.{layer.Member}.{verb}({arguments});"
                : $"{header} => Layers.{layer.Member} is {{ }} layer ? layer.{verb}({arguments}) : {layer.Arguments[0]};");
        }

        writer.Blank();
    }

    private static void BlockEager(SourceWriter writer, ClassSpec spec)
    {
        writer.Line("/// <summary>Runs the declared wiring operator by operator: slow, and what every pass is compared with.</summary>")
            .Line("/// <param name=\"x\">The input.</param>");
        Switch(writer, spec, $"public {Names.Flow} Eager({Names.Flow} x)", method => $"{method}(x)");
    }

    private static void ModelEager(SourceWriter writer, ClassSpec spec)
    {
        writer.Line("/// <inheritdoc/>");
        Switch(writer, spec, $"public override {Names.Tensor} Eager({Names.Tensor} ids, {Names.Pass} pass)", method => $"Value({method}(Tokens(ids, pass)))");
    }

    private static void Switch(SourceWriter writer, ClassSpec spec, string header, Func<string, string> call)
    {
        var switched = spec.Bodies.Where(b => b.When is not null).Select(b => $"{b.When} ? {call(b.Method)} : ");
        var forward = spec.Bodies.First(b => b.When is null);
        writer.Line($"{header} => {string.Concat(switched)}{call(forward.Method)};").Blank();
    }
}
