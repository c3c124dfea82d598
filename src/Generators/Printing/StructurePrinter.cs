using Generated.Generators.Analysis;
using Generated.Generators.Graph;

namespace Generated.Generators.Printing;

/// <summary>Prints the derived structure as a function of the config: quantization and adapters read it and never a name.</summary>
internal static class StructurePrinter
{
    private static readonly string Structure = Names.Architectures("ModelStructure");

    public static void Print(SourceWriter writer, ClassPlan plan)
    {
        var spec = plan.Spec;
        var (parameter, config) = ($"{spec.Config!.Type} {spec.ConfigParameter}", spec.ConfigParameter);
        var word = spec.Kind == ClassKind.Model ? "model" : "block";
        writer.Line($"/// <summary>What was derived from the {word}'s declaration, for one config.</summary>")
            .Line($"/// <param name=\"{config}\">The config.</param>");
        var blocks = spec.Layers.OfType<RepeatSpec>().Select(r => $"{r.Block.FullName}.StructureOf({config})").Distinct().ToList();
        if (blocks.Count == 0 && plan.Wirings.Count == 1)
        {
            Wiring(writer, plan, plan.Wirings[0], $"public static {Structure} StructureOf({parameter})");
            return;
        }

        writer.Line($"public static {Structure} StructureOf({parameter}) =>");
        using (writer.Indented(""))
        {
            if (blocks.Count > 0) writer.Line($"{Structure}.Join(");
            if (plan.Wirings.Count > 1) PassPrinter.Selection(writer, plan.Wirings, w => $"Structure{w.Suffix}({config})", blocks.Count > 0 ? "," : ";");
            else writer.Line($"    Structure{plan.Wirings[0].Suffix}({config}),");
            for (var i = 0; i < blocks.Count; i++) writer.Line($"    {blocks[i]}{(i + 1 < blocks.Count ? "," : ");")}");
        }

        writer.Blank();
        foreach (var wiring in plan.Wirings) Wiring(writer, plan, wiring, $"private static {Structure} Structure{wiring.Suffix}({parameter})");
    }

    private static void Wiring(SourceWriter writer, ClassPlan plan, WiringPlan wiring, string header)
    {
        using (writer.Block(header))
        {
            var lists = new[]
            {
                List(writer, "Linears", "LinearInfo", wiring.Sites.Select(s => Linear(plan, s))),
                List(writer, "NormGroups", "NormGroup", wiring.NormGroups.Select(g => (g.When, Norm(plan, g)))),
                List(writer, "ScalePairs", "ScalePair", wiring.ScalePairs.Select(p => ((string?)null, Scale(plan, p)))),
                List(writer, "FusedGroups", "FusedGroup", plan.Fused.Select(g => ((string?)null, Fused(plan, g)))),
                List(writer, "Exchanges", "Exchange", wiring.Exchanges.Select(e => (e.When, Exchange(plan, e)))),
                List(writer, "Attentions", "AttentionInfo", wiring.Body.Nodes.Select(n => n.Layer).Where(l => l?.Spec is AttentionSpec).Select(l => Attention(plan, l!))),
                wiring.Sequence.Obstacle is { } obstacle
                    ? $"SequenceObstacle = {Quoting.Literal($"{plan.Spec.Name}: {obstacle}")}"
                    : List(writer, "SequenceExchanges", "SequenceExchange", wiring.Sequence.Exchanges.Select(e => (e.When, Sequence(plan, e)))),
            };
            writer.Line($"return new {Structure} {{ {string.Join(", ", lists)} }};");
        }

        writer.Blank();
    }

    /// <summary>Fills a local list; returns the initializer that takes it over.</summary>
    private static string List(SourceWriter writer, string property, string type, IEnumerable<(string? When, string Creation)> items)
    {
        var (local, creations) = (Analysis.Passes.Names.Camel(property), items.ToList());
        if (creations.Count == 0) return $"{property} = []";
        writer.Line($"var {local} = new global::System.Collections.Generic.List<{Names.Architectures(type)}>();");
        foreach (var (when, creation) in creations) writer.Line($"{(when is null ? "" : $"if ({when}) ")}{local}.Add(new({creation});");
        writer.Blank();
        return $"{property} = {local}";
    }

    private static string Path(ClassPlan plan, string path) => Quoting.Literal($"{plan.Spec.Name}.{path}");

    private static (string? When, string Creation) Linear(ClassPlan plan, SitePlan site)
    {
        var linear = plan.Linears.First(l => l.Path == site.Path);
        var (spec, split) = (linear.Spec, linear.Split.Kind);
        var properties = $"InputWords = {Quoting.Literal(Words(spec.Input))}, OutputWords = {Quoting.Literal(Words(spec.Output))}";
        if (spec.TiedTo is { } target)
            properties += $", TiedTo = {(spec.TiedWhen is { } tied ? $"{tied} ? {Path(plan, target)} : null" : Path(plan, target))}";
        return (spec.When,
            $"{Path(plan, site.Path)}, {Quoting.Literal(linear.Name)}, {Path(plan, site.Site)}, {Names.Architectures("TensorPartition")}.{split}, "
            + $"{spec.Input.Code}, {spec.Output.Code}, {spec.BiasWhen ?? Quoting.Bool(spec.Bias)}) {{ {properties} }}");
    }

    private static string Words(DimRef width) => width.Value.ToString();

    private static string Norm(ClassPlan plan, NormGroup group)
    {
        var layer = Flattening.Layers(plan.Spec).First(l => l.Path == group.Norm);
        var shortcuts = group.Conflicts.Where(c => c.IsShortcut).ToList();
        var shortcut = shortcuts.Count == 0 ? "" : shortcuts.Any(c => c.When is null) ? " { IsShortcut = true }" : $" {{ IsShortcut = {string.Join(" || ", shortcuts.Select(c => c.When))} }}";
        return $"{Path(plan, group.Norm)}, {Quoting.Literal(WeightNames.Name(plan.Spec, layer.Spec))}, {Quoting.Bool(group.HasBias)}, "
            + $"{Members(plan, group.Linears)}, {Reason(group)}){shortcut}";
    }

    private static string Members(ClassPlan plan, EquatableArray<GroupMember> members)
    {
        var paths = members.Select(m => m.When is null ? Path(plan, m.Path) : $"{m.When} ? {Path(plan, m.Path)} : null");
        return members.Any(m => m.When is not null) ? $"{Structure}.Present({string.Join(", ", paths)})" : $"[{string.Join(", ", paths)}]";
    }

    private static string Reason(NormGroup group)
    {
        var text = group.Conflicts.FirstOrDefault(c => c.When is null) is { } always ? Words(always) : "null";
        return group.Conflicts.Where(c => c.When is not null && text == "null").Reverse().Aggregate(text, (rest, c) => $"{c.When} ? {Words(c)} : {rest}");

        string Words(NormConflict conflict) =>
            Quoting.Literal(group.Linears.Count == 0 && !conflict.IsInWeight ? $"it feeds {conflict.Consumer}" : NormGroups.Reason(conflict));
    }

    private static string Scale(ClassPlan plan, ScalePair pair)
    {
        var properties = new List<string>();
        if (pair.Cut is { } cut && Flattening.Layers(plan.Spec).First(l => l.Path == cut).Spec is SectionsSpec sections)
            properties.Add($"Section = {WeightsPrinter.Section(sections, pair.Section)}");
        if (pair.Attention is { } attention)
            properties.Add($"Heads = {Heads(attention)}");
        return $"{Names.Architectures("ScalePairKind")}.{pair.Kind}, {Path(plan, pair.Source)}, [{string.Join(", ", pair.Targets.Select(t => Path(plan, t)))}])"
            + (properties.Count == 0 ? "" : $" {{ {string.Join(", ", properties)} }}");
    }

    private static string Heads(AttentionSpec attention) => $"new({attention.Heads.Code}, {attention.KvHeads.Code}, {attention.HeadDim.Code})";

    private static (string? When, string Creation) Attention(ClassPlan plan, FlatLayer layer) =>
        (layer.Spec.When, $"{Path(plan, layer.Path)}, {Heads((AttentionSpec)layer.Spec)})");

    private static string Fused(ClassPlan plan, FusedGroup group) =>
        $"{Path(plan, group.Name)}, [{string.Join(", ", group.Members.Select(m => Path(plan, m.Path)))}])";

    private static string Sequence(ClassPlan plan, SequenceExchangePlan exchange) =>
        $"{Path(plan, exchange.Path)}, {Names.Architectures("SequenceExchangeKind")}.{exchange.Kind})";

    private static string Exchange(ClassPlan plan, ExchangePlan exchange) =>
        $"{Path(plan, exchange.Path)}, {Names.Architectures("ExchangeKind")}.{(exchange.IsGather ? "Gather" : "Sum")})";
}
