using System.Globalization;
using Generated.Generators.Analysis;
using Generated.Generators.Graph;

namespace Generated.Generators.Printing;

/// <summary>Prints <c>Build</c>: every layer with its sizes and its share of a tensor-parallel group.</summary>
internal static class BuildPrinter
{
    public static void Print(SourceWriter writer, ClassPlan plan)
    {
        writer.Line("/// <summary>Creates the layers for one rank of a tensor-parallel group; weights are not initialised.</summary>")
            .Line("/// <param name=\"build\">Type, device and group.</param>");
        using (writer.Block($"public override void Build({Names.Layers("BuildContext")} build)"))
        {
            foreach (var member in plan.Members) Prepare(writer, plan.Spec, member);
            writer.Line("var layers = new LayerSet").Line("{");
            using (writer.Indented("};"))
                foreach (var member in plan.Members) writer.Line($"{member.Spec.Member} = {Value(plan.Spec, member)},");
            foreach (var group in plan.Fused)
                writer.Line($"layers.{group.Name} = new {Names.Layers("FusedLinear")}(build, {string.Join(", ", group.Members.Select(m => $"() => {Local(m.Access)}"))});");
            writer.Line("Layers = layers;");
        }

        writer.Blank();
    }

    private static string Local(string access) => "layers" + access.Substring("Layers".Length);

    /// <summary>What an object initializer cannot say: a layer that another one shares, the copies of a block, a part's own layers.</summary>
    private static void Prepare(SourceWriter writer, ClassSpec spec, MemberPlan member)
    {
        var local = LocalName(member);
        switch (member.Spec)
        {
            case RepeatSpec repeat:
                writer.Line($"var {local} = new {repeat.Block.FullName}[{Names.Layers("BuildContext")}.Blocks({repeat.Count.Code})];");
                using (writer.Block($"for (var i = 0; i < {local}.Length; i++)"))
                    writer.Line($"{local}[i] = new {repeat.Block.FullName}({Arguments(spec, repeat.Block, default)}) {{ Index = i }};").Line($"{local}[i].Build(build.ForBlocks);");
                writer.Blank();
                break;
            case UseSpec use when use.When is null:
                writer.Line($"var {local} = new {use.Part.FullName}({Arguments(spec, use.Part, use.Widths)});").Line($"{local}.Build(build);").Blank();
                break;
            case UseSpec use:
                writer.Line($"var {local} = {use.When} ? new {use.Part.FullName}({Arguments(spec, use.Part, use.Widths)}) : null;").Line($"{local}?.Build(build);").Blank();
                break;
            case var _ when member.IsShared:
                writer.Line($"var {local} = {Creation(spec, member)};").Blank();
                break;
        }
    }

    private static string LocalName(MemberPlan member) => Analysis.Passes.Names.Camel(member.Spec.Member) + "Layer";

    /// <summary>Constructor arguments of a block or part: the caller's config and the given widths.</summary>
    private static string Arguments(ClassSpec caller, ClassSpec spec, EquatableArray<DimRef> widths)
    {
        var given = 0;
        return string.Join(", ", spec.Parameters.Select(p => p.IsConfig ? caller.ConfigParameter : widths[given++].Code));
    }

    private static string Value(ClassSpec spec, MemberPlan member)
    {
        if (member.IsShared || member.Spec is RepeatSpec or UseSpec) return LocalName(member);
        var creation = Creation(spec, member);
        return member.Spec.When is { } when ? $"{when} ? {creation} : null" : creation;
    }

    private static string Creation(ClassSpec spec, MemberPlan member)
    {
        var arguments = string.Join(", ", member.Spec switch
        {
            LinearSpec linear => Linear(linear, member.Split),
            NormSpec norm => Norm(norm),
            EmbeddingSpec embedding => [embedding.Count.Code, embedding.Width.Code, Shard(member.Split)],
            PositionEmbeddingSpec positions => Positions(positions),
            RotarySpec rotary => Rotary(rotary),
            AttentionSpec attention => Attention(attention, member.Split),
            SectionsSpec sections => Sections(sections, member.Split),
            LogNSpec logN => [logN.TrainedLength.Code],
            _ => throw new InvalidOperationException($"No constructor for {member.Spec.GetType().Name}."),
        });
        var type = member.Spec is LinearSpec ? Names.Layers("DenseLinear") : LayerSetPrinter.Type(member.Spec);
        return $"new {type}(build.At({Quoting.Literal($"{spec.Name}.{member.Spec.Member}")}), {arguments})";
    }

    private static IEnumerable<string> Linear(LinearSpec linear, Split split)
    {
        yield return linear.Input.Code;
        yield return linear.Output.Code;
        if (linear.Bias) yield return "bias: true";
        else if (linear.BiasWhen is { } when) yield return $"bias: {when}";
        if (split.Kind != SplitKind.Replicated) yield return Shard(split);
        if (linear.UnitRowsWhen is { } unit) yield return $"unitRows: {unit}";
        if (linear.TiedTo is { } target)
        {
            var local = Analysis.Passes.Names.Camel(target) + "Layer";
            yield return $"tied: {(linear.TiedWhen is { } tied ? $"{tied} ? {local} : null" : local)}";
        }
    }

    private static IEnumerable<string> Norm(NormSpec norm)
    {
        yield return norm.Width.Code;
        if (norm.Epsilon is { } epsilon) yield return $"epsilon: {epsilon}";
        if (norm is { IsRms: false, Bias: false }) yield return "bias: false";
    }

    private static IEnumerable<string> Positions(PositionEmbeddingSpec positions)
    {
        yield return positions.Count.Code;
        yield return positions.Width.Code;
        if (positions.Offset != 0) yield return $"offset: {positions.Offset.ToString(CultureInfo.InvariantCulture)}";
        if (positions.Positions != PositionChoice.Sequence) yield return Kind(positions.Positions);
    }

    private static IEnumerable<string> Rotary(RotarySpec rotary)
    {
        yield return rotary.HeadDim.Code;
        if (rotary.Dim is { } dim) yield return $"dim: {dim.Code}";
        if (rotary.Theta is { } theta) yield return $"theta: {theta}";
        if (rotary.Scaling is { } scaling) yield return $"scaling: {scaling}";
        if (rotary.Adjacent) yield return "pairing: global::Generated.RotaryPairing.Adjacent";
        if (rotary.Positions != PositionChoice.Sequence) yield return Kind(rotary.Positions);
        if (rotary.HalfFrequenciesWhen is { } half) yield return $"halfFrequencies: {half}";
    }

    private static IEnumerable<string> Attention(AttentionSpec attention, Split split)
    {
        yield return attention.Heads.Code;
        yield return attention.KvHeads.Code;
        yield return attention.HeadDim.Code;
        if (attention.Alibi) yield return "alibi: true";
        else if (attention.AlibiWhen is { } when) yield return $"alibi: {when}";
        if (attention.Window is { } window) yield return $"window: {window}";
        if (attention.Scale is { } scale) yield return $"scale: {scale}";
        if (attention.Prefix) yield return "prefix: true";
        if (split.Kind != SplitKind.Replicated) yield return $"shard: {Names.Layers("Shard")}.Column()"; // by heads
    }

    private static IEnumerable<string> Sections(SectionsSpec sections, Split split)
    {
        yield return $"[{string.Join(", ", sections.Widths.Select(w => w.Code))}]";
        if (sections.Groups is { } groups) yield return $"groups: {groups.Code}";
        if (split.Kind != SplitKind.Replicated) yield return Shard(split);
    }

    private static string Kind(PositionChoice positions) => $"positions: global::Generated.PositionKind.{positions}";

    private static string Shard(Split split)
    {
        var unit = split.HeadWidth?.Code;
        return "shard: " + Names.Layers("Shard") + split.Kind switch
        {
            SplitKind.Replicated => ".None",
            SplitKind.Vocabulary => ".Vocabulary",
            SplitKind.Row => $".Row({unit})",
            _ when split.Groups is { } groups => $".Groups({groups.Code})",
            _ when split.Sections.Count > 0 => $".Sections({unit ?? "1"}, {string.Join(", ", split.Sections.Select(s => s.Code))})",
            _ => $".Column({unit})",
        };
    }
}
