using Generated.Generators.Analysis;
using Generated.Generators.Graph;

namespace Generated.Generators.Printing;

/// <summary>Prints the layers as typed members; linears and embeddings can be replaced, by quantized ones for example.</summary>
internal static class LayerSetPrinter
{
    public static void Print(SourceWriter writer, ClassPlan plan)
    {
        var word = plan.Spec.Kind.ToString().ToLowerInvariant();
        writer.Line($"/// <summary>The {word}'s layers, once it is built.</summary>")
            .Line("public LayerSet Layers { get => field ?? throw NotBuilt(); private set; }").Blank();
        foreach (var factor in plan.Factors)
            writer.Line("/// <summary>A scale of the wiring.</summary>").Line($"public double {factor.Name} => {factor.Code};").Blank();

        writer.Line($"/// <summary>The layers of a <see cref=\"{plan.Spec.Name}\"/>.</summary>");
        using (writer.Block("public sealed class LayerSet"))
        {
            foreach (var member in plan.Members)
            {
                var layer = member.Spec;
                var type = layer.When is null ? Type(layer) : Type(layer) + "?";
                var setter = layer is LinearSpec or EmbeddingSpec ? "set" : "init";
                writer.Line($"/// <summary>{Summary(member)}</summary>")
                    .Line($"public required {type} {layer.Member} {{ get; {setter}; }}").Blank();
            }

            foreach (var group in plan.Fused)
                writer.Line($"/// <summary>{Quoting.Xml(string.Join(", ", group.Members.Select(m => m.Path)))} as one product, for prefill and decode.</summary>")
                    .Line($"public {Names.Layers("FusedLinear")} {group.Name} {{ get => field ?? throw NotBuilt(); internal set; }}").Blank();
        }

        writer.Blank();
    }

    public static string Type(LayerSpec layer) => layer switch
    {
        LinearSpec => Names.Layers("Linear"),
        NormSpec { IsRms: true } => Names.Layers("RmsNorm"),
        NormSpec => Names.Layers("LayerNorm"),
        EmbeddingSpec => Names.Layers("Embedding"),
        PositionEmbeddingSpec => Names.Layers("PositionEmbedding"),
        RotarySpec => Names.Layers("Rotary"),
        AttentionSpec => Names.Layers("Attention"),
        SectionsSpec => Names.Layers("Sections"),
        LogNSpec => Names.Layers("LogN"),
        UseSpec use => use.Part.FullName,
        RepeatSpec repeat => $"{Names.List}<{repeat.Block.FullName}>",
        _ => throw new InvalidOperationException($"No runtime type for {layer.GetType().Name}."),
    };

    private static string Summary(MemberPlan member)
    {
        var what = member.Spec switch
        {
            LinearSpec l => $"Linear, {l.Input.Member} to {l.Output.Member}",
            NormSpec { IsRms: true } n => $"RMSNorm over {n.Width.Member}",
            NormSpec n => $"LayerNorm over {n.Width.Member}",
            EmbeddingSpec e => $"Token embedding, {e.Count.Member} × {e.Width.Member}",
            PositionEmbeddingSpec p => $"Learned positions, {p.Count.Member} × {p.Width.Member}",
            RotarySpec r => $"Rotary positions in heads of {r.HeadDim.Member}",
            AttentionSpec a => $"Attention of {a.Heads.Member} heads over {a.KvHeads.Member} key/value heads of {a.HeadDim.Member}",
            SectionsSpec s => $"Cuts into {string.Join(", ", s.Widths.Select(w => w.Member))}{(s.Groups is null ? "" : $", in each of {s.Groups.Member} groups")}",
            LogNSpec g => $"Scales queries past {g.TrainedLength.Member}",
            UseSpec u => $"The part <see cref=\"{u.Part.FullName}\"/>",
            RepeatSpec r => $"{r.Count.Member} copies of <see cref=\"{r.Block.FullName}\"/>",
            _ => member.Spec.Member,
        };
        var division = (member.Spec.HasWeights, member.Split.Kind) switch
        {
            (true, SplitKind.Column) => "; divided by columns",
            (true, SplitKind.Row) => "; divided by rows, its result summed over ranks",
            (true, SplitKind.Vocabulary) => "; divided by the vocabulary",
            _ => "",
        };
        return what + division + (member.Spec.When is null ? "." : $"; null where {Quoting.Xml(member.Spec.When)} is false.");
    }
}
