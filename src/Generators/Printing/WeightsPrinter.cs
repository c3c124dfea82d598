using Generated.Generators.Analysis;
using Generated.Generators.Graph;

namespace Generated.Generators.Printing;

/// <summary>Prints the list of checkpoint tensors, and its counterpart on a built model.</summary>
internal static class WeightsPrinter
{
    private const string Enumerable = "global::System.Collections.Generic.IEnumerable";
    private static readonly string Tensors = $"{Enumerable}<{Names.Architectures("TensorSpec")}>";

    public static void Print(SourceWriter writer, ClassPlan plan)
    {
        Specs(writer, plan);
        Slots(writer, plan);
    }

    private static void Specs(SourceWriter writer, ClassPlan plan)
    {
        var spec = plan.Spec;
        var (repeats, parameters) = (plan.Members.Where(m => m.Spec is RepeatSpec).ToList(), $"{spec.Config!.Type} {spec.ConfigParameter}");
        if (spec.Kind == ClassKind.Block)
        {
            writer.Line("/// <summary>The checkpoint tensors of one block, known without building it.</summary>")
                .Line($"/// <param name=\"{spec.ConfigParameter}\">The config.</param>")
                .Line("/// <param name=\"index\">The block's index.</param>");
            Own(writer, plan, $"public static {Tensors} TensorsOf({parameters}, int index)");
            return;
        }

        writer.Line("/// <summary>Every checkpoint tensor, known without building the model.</summary>")
            .Line($"/// <param name=\"{spec.ConfigParameter}\">The config.</param>");
        using (writer.Block($"public static {Tensors} TensorsOf({parameters})"))
        {
            writer.Line($"foreach (var tensor in OwnTensorsOf({spec.ConfigParameter})) yield return tensor;");
            foreach (var repeat in repeats.Select(m => (RepeatSpec)m.Spec))
                using (writer.Block($"for (var i = 0; i < {repeat.Count.Code}; i++)"))
                    writer.Line($"foreach (var tensor in {repeat.Block.FullName}.TensorsOf({spec.ConfigParameter}, i)) yield return tensor;");
        }

        writer.Blank();
        Own(writer, plan, $"private static {Tensors} OwnTensorsOf({parameters})");
    }

    private static void Own(SourceWriter writer, ClassPlan plan, string header)
    {
        using (writer.Block(header))
        {
            Constant(writer, "TensorKind", "Weight", plan.Tensors.Any(t => t.Kind == TensorKind.Weight));
            Constant(writer, "TensorKind", "Bias", plan.Tensors.Any(t => t.Kind == TensorKind.Bias));
            Constant(writer, "PaddleLayout", "Transposed", plan.Tensors.Any(IsTransposed));
            foreach (var tensor in plan.Tensors) Tensor(writer, tensor);
            if (plan.Tensors.Count == 0) writer.Line("yield break;");
        }

        writer.Blank();
    }

    private static void Constant(SourceWriter writer, string type, string value, bool isUsed)
    {
        if (isUsed) writer.Line($"const {Names.Architectures(type)} {value} = {Names.Architectures(type)}.{value};");
    }

    private static void Tensor(SourceWriter writer, TensorPlan tensor)
    {
        var when = tensor.Conditions.Count == 0 ? "" : $"if ({string.Join(" && ", tensor.Conditions)}) ";
        var properties = string.Join(", ", Properties(tensor));
        writer.Line($"{when}yield return new({Quoting.Literal(tensor.Path)}, {tensor.Kind}, {Quoting.Template(tensor.Name, "index")}, "
            + $"[{string.Join(", ", tensor.Shape.Select(d => d.Code))}])" + (properties.Length == 0 ? ";" : $" {{ {properties} }};"));
    }

    private static bool IsTransposed(TensorPlan tensor) => tensor is { PaddleTransposes: true, PaddleTies: false } && (tensor.Paddle is not null || tensor.PaddleSections.Count > 0);

    private static IEnumerable<string> Properties(TensorPlan tensor)
    {
        if (tensor.StoredInOut) yield return "StoredInOut = true";
        if (tensor.TiedTo is { } tied) yield return $"TiedTo = {Choose(tensor.TiedWhen, Quoting.Literal(tied), "null")}";
        if (tensor.KeepsTied) yield return "KeepsTied = true";
        if (tensor is { PaddleTies: true, TiedTo: { } owner }) yield return $"PaddleTiedTo = {Quoting.Literal(owner)}";
        else if (tensor.Paddle is { } paddle)
        {
            var name = Quoting.Template(paddle, "index");
            if (tensor.TiedTo is null || tensor.PaddleKeepsTied) yield return $"Paddle = {name}";
            else if (tensor.TiedWhen is { } when) yield return $"Paddle = {Choose(when, "null", name)}";
        }

        if (IsTransposed(tensor)) yield return "PaddleLayout = Transposed";
        if (tensor.PaddleSections.Count > 0)
            yield return $"PaddleSections = [{string.Join(", ", tensor.PaddleSections.Select(s => Quoting.Template(s, "index")))}]";
        if (tensor.PaddleSplit != PaddleSplitChoice.Derived) yield return $"PaddleSplit = global::Generated.PaddleSplit.{tensor.PaddleSplit}";
        if (tensor.Sections is { } sections) yield return $"Sections = {Section(sections, 0)}";
    }

    private static string Choose(string? when, string yes, string no) => when is null ? yes : $"{when} ? {yes} : {no}";

    /// <summary>A section of a fused output.</summary>
    public static string Section(SectionsSpec sections, int index) =>
        $"new {Names.Architectures("OutputSection")}({index}, [{string.Join(", ", sections.Widths.Select(w => w.Code))}], {sections.Groups?.Code ?? "1"})";

    private static void Slots(SourceWriter writer, ClassPlan plan)
    {
        var spec = plan.Spec;
        var own = spec.Kind == ClassKind.Block ? $"TensorsOf({spec.ConfigParameter}, Index)" : $"OwnTensorsOf({spec.ConfigParameter})";
        writer.Line("/// <inheritdoc/>");
        using (writer.Block($"public override {Enumerable}<{Names.Architectures("WeightSlot")}> Weights()"))
        {
            using (writer.Block($"foreach (var tensor in {own})"))
            {
                writer.Line($"yield return new {Names.Architectures("WeightSlot")}(tensor, tensor.Layer switch").Line("{");
                using (writer.Indented("});"))
                {
                    foreach (var (path, access) in plan.Tensors.Select(t => (t.Path, t.IsOptional ? t.Access + "!" : t.Access)).Distinct())
                        writer.Line($"{Quoting.Literal(path)} => {access},");
                    writer.Line("_ => throw NotBuilt(),");
                }
            }

            foreach (var repeat in plan.Members.Where(m => m.Spec is RepeatSpec))
                writer.Blank().Line($"foreach (var block in Layers.{repeat.Spec.Member})").Line("    foreach (var slot in block.Weights()) yield return slot;");
        }

        writer.Blank();
    }
}
