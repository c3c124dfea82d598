using Generated.Generators.Analysis;
using Generated.Generators.Analysis.Passes;
using Generated.Generators.Graph;

namespace Generated.Generators.Printing;

/// <summary>Prints the three passes, each wiring as its own method where the config can switch wirings.</summary>
internal static class PassPrinter
{
    private const string Elementwise = "global::Generated.Layers.Elementwise";

    public static void Print(SourceWriter writer, ClassPlan plan)
    {
        foreach (var kind in new[] { PassKind.Full, PassKind.Prefill, PassKind.Decode })
        {
            var isModel = plan.Spec.Kind == ClassKind.Model;
            var input = isModel ? "ids" : "x";
            Document(writer, plan, kind, isModel);
            if (plan.Wirings.Count == 1)
            {
                Method(writer, $"public override {Names.Tensor} {kind}", plan.Wirings[0].Pass(kind));
                continue;
            }

            writer.Line($"public override {Names.Tensor} {kind}({Names.Tensor} {input}, {Names.Pass} pass) =>");
            using (writer.Indented(""))
                Selection(writer, plan.Wirings, w => $"{kind}{w.Suffix}({input}, pass)");
            writer.Blank();
            foreach (var wiring in plan.Wirings)
                Method(writer, $"private {Names.Tensor} {kind}{wiring.Suffix}", wiring.Pass(kind));
        }
    }

    /// <summary>An expression over several lines that picks the wiring by the config.</summary>
    public static void Selection(SourceWriter writer, EquatableArray<WiringPlan> wirings, Func<WiringPlan, string> use, string end = ";")
    {
        for (var i = 0; i < wirings.Count; i++)
        {
            var prefix = i == 0 ? "" : ": ";
            writer.Line(i + 1 == wirings.Count ? $"{prefix}{use(wirings[i])}{end}" : $"{prefix}{string.Join(" && ", wirings[i].Conditions)} ? {use(wirings[i])}");
        }
    }

    private static void Document(SourceWriter writer, ClassPlan plan, PassKind kind, bool isModel)
    {
        var summary = (kind, isModel) switch
        {
            (PassKind.Full, _) => "Runs the whole sequence, with gradients where they are enabled.",
            (PassKind.Prefill, false) => "Runs new tokens of a prompt without gradients, and appends their keys and values to the cache.",
            (PassKind.Prefill, true) => "Runs new tokens of a prompt without gradients, fills the cache, and gives the logits of each row's last position.",
            (_, _) => "Runs exactly one new token per row on the cache.",
        };
        var time = kind == PassKind.Decode ? "1" : "T";
        var resultTime = kind == PassKind.Full ? "T" : isModel ? "1" : time;
        writer.Line($"/// <summary>{summary}</summary>");
        writer.Line(isModel
            ? $"/// <param name=\"ids\">Token ids, int64 [B, {time}]; the caller's.</param>"
            : $"/// <param name=\"x\">[B, {time}, {plan.InputWidth}]; the caller's.</param>");
        writer.Line("/// <param name=\"pass\">Positions, mask, cache and observer of this pass.</param>");
        writer.Line($"/// <returns>[B, {resultTime}, {plan.OutputWidth}]; the caller's to dispose of.</returns>");
    }

    public static void Method(SourceWriter writer, string declaration, PassPlan pass)
    {
        using (writer.Block($"{declaration}({Names.Tensor} {pass.Input}, {Names.Pass} pass)"))
        {
            foreach (var step in pass.Steps) Statement(writer, step, pass);
            writer.Line(pass.Result == pass.Input ? $"return {pass.Input}.alias();" : $"return {pass.Result};");
        }

        writer.Blank();
    }

    private static void Statement(SourceWriter writer, Step step, PassPlan pass)
    {
        switch (step.Kind)
        {
            case StepKind.ProbeInput:
                writer.Line($"pass.Probe?.LinearInput({(pass.IsModel ? "-1" : "Index")}, {Quoting.Literal(step.Site)}, {step.Inputs[0]});");
                break;
            case StepKind.ProbeValue:
                writer.Line($"pass.Probe?.Named({Quoting.Literal(step.Site)}, {step.Inputs[0]});");
                break;
            case StepKind.Repeat:
                Loop(writer, step, pass.Kind);
                break;
            default:
                var results = step.Results.Count == 1 ? step.Results[0] : $"({string.Join(", ", step.Results)})";
                var comment = step.Comment.Length == 0 ? "" : $" // {step.Comment}";
                writer.Line($"var {results} = {Expression(step, pass.Kind)};{comment}");
                break;
        }

        foreach (var name in step.Disposes) writer.Line($"{name}.Dispose();");
    }

    private static void Loop(SourceWriter writer, Step step, PassKind kind)
    {
        var (input, value) = (step.Inputs[0], step.Results[0]);
        var observes = kind == PassKind.Full;
        if (observes && step.Offset.Length == 0) writer.Line($"pass.Probe?.Hidden(0, {input});");
        writer.Line($"var {value} = {(step.Consumes ? input : $"{input}.alias()")};{(step.Comment.Length == 0 ? "" : $" // {step.Comment}")}");
        using (writer.Block($"for (var i = 0; i < {step.Access}.Count; i++)"))
        {
            writer.Line($"var next = {step.Access}[i].{kind}({value}, pass);").Line($"{value}.Dispose();").Line($"{value} = next;");
            if (observes) writer.Line($"pass.Probe?.Hidden({(step.Offset.Length == 0 ? "" : $"{step.Offset} + ")}i + 1, {value});");
        }

        writer.Blank();
    }

    private static string Expression(Step step, PassKind kind)
    {
        var inputs = string.Join(", ", step.Inputs);
        return step.Kind switch
        {
            StepKind.Layer => Optional(step, $".{Verb(step.Layer!, kind)}({inputs}{(TakesPass(step.Layer!) ? ", pass" : "")})"),
            StepKind.AddNorm => $"{step.Access}.AddDecode({inputs})",
            StepKind.RotatedAttention => $"{step.Access}.DecodeRotated({inputs}, {step.Rotary}, pass)",
            StepKind.Cut => $"{step.Access}.Apply{step.Results.Count}({inputs})",
            StepKind.Fused => $"{step.Access}.{(kind == PassKind.Decode ? "Decode" : "Apply")}{step.Results.Count}({inputs}, pass)",
            StepKind.LastPosition => $"pass.LastPosition({inputs})",
            StepKind.Scale => $"{Elementwise}.Scale({inputs}, {step.Factor})",
            _ => $"{Elementwise}.{step.Kind}({inputs})",
        };
    }

    /// <summary>A layer that the config may leave out passes its input on.</summary>
    private static string Optional(Step step, string call) =>
        step.Guard.Length == 0 ? step.Access + call : $"{step.Access} is {{ }} {step.Guard} ? {step.Guard}{call} : {step.Inputs[0]}.alias()";

    private static string Verb(LayerSpec layer, PassKind kind) => (layer, kind) switch
    {
        (AttentionSpec, PassKind.Prefill) => "Prefill",
        (EmbeddingSpec or PositionEmbeddingSpec, _) or (_, PassKind.Full or PassKind.Prefill) => "Apply",
        _ => "Decode",
    };

    private static bool TakesPass(LayerSpec layer) => layer is not NormSpec;
}
