using Generated.Generators.Analysis;
using Generated.Generators.Analysis.Passes;

namespace Generated.Generators.Printing;

/// <summary>Prints the two halves of a model's full pass, before and behind its blocks, for whoever runs the blocks one at a time.</summary>
internal static class HalvesPrinter
{
    public static void Print(SourceWriter writer, ClassPlan plan)
    {
        Half(writer, plan, "Enter", "ids", w => w.Halves.Enter, "Runs what comes before the blocks, with gradients where they are enabled.",
            "Token ids, int64 [B, T]; the caller's.", "The first block's input, [B, T, width]; the caller's to dispose of.");
        Half(writer, plan, "Leave", "hidden", w => w.Halves.Leave, "Runs what comes behind the blocks, with gradients where they are enabled.",
            "The last block's output, [B, T, width]; the caller's.", $"[B, T, {plan.OutputWidth}]; the caller's to dispose of.");
    }

    private static void Half(
        SourceWriter writer, ClassPlan plan, string name, string input, Func<WiringPlan, PassPlan?> half, string summary, string about, string result)
    {
        var single = plan.Wirings.Count == 1;
        var parameter = single ? half(plan.Wirings[0])?.Input ?? input : input;
        writer.Line($"/// <summary>{summary}</summary>")
            .Line($"/// <param name=\"{parameter}\">{about}</param>")
            .Line("/// <param name=\"pass\">Positions, mask and observer of this pass.</param>")
            .Line($"/// <returns>{result}</returns>");
        if (single)
        {
            Method(writer, $"public override {Names.Tensor} {name}", parameter, plan.Wirings[0], half);
            return;
        }

        writer.Line($"public override {Names.Tensor} {name}({Names.Tensor} {input}, {Names.Pass} pass) =>");
        using (writer.Indented(""))
            PassPrinter.Selection(writer, plan.Wirings, w => $"{name}{w.Suffix}({input}, pass)");
        writer.Blank();
        foreach (var wiring in plan.Wirings)
            Method(writer, $"private {Names.Tensor} {name}{wiring.Suffix}", input, wiring, half);
    }

    private static void Method(SourceWriter writer, string declaration, string input, WiringPlan wiring, Func<WiringPlan, PassPlan?> half)
    {
        if (half(wiring) is { } pass) PassPrinter.Method(writer, declaration, pass);
        else writer.Line($"{declaration}({Names.Tensor} {input}, {Names.Pass} pass) => throw NotCut({Quoting.Literal(wiring.Halves.Reason)});").Blank();
    }
}
