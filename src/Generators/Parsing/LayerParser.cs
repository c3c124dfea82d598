using Generated.Generators.Graph;
using Microsoft.CodeAnalysis;

namespace Generated.Generators.Parsing;

/// <summary>Turns one attributed partial method into a <see cref="LayerSpec"/>.</summary>
internal sealed partial class LayerParser(MemberScope scope, CheckpointNames names, IClassSource classes, Reporter report)
{
    /// <summary>Null where the compiler already refuses the attribute, or the layer refers to something that cannot be read.</summary>
    public LayerSpec? Parse(IMethodSymbol method, AttributeReader attribute, string modifiers)
    {
        if (attribute.HasErrors)
        {
            report.Break();
            return null;
        }

        var member = method.Name;
        Mark(member, attribute);
        var spec = Kind(member, attribute, new Header(member, modifiers, method.Parameters.Select(p => p.Name).ToEquatableArray()));
        if (spec is null) return null;
        return spec with
        {
            When = scope.Flag(attribute.NamedText("When"), attribute.WhereNamed("When"), "a condition"),
            Paddle = names.Check(attribute.NamedText("Paddle"), attribute.WhereNamed("Paddle"), isEmptyFine: true),
        };
    }

    /// <summary>What every layer repeats of its method.</summary>
    private sealed record Header(string Member, string Modifiers, EquatableArray<string> Arguments);

    private LayerSpec? Kind(string member, AttributeReader a, Header h) => a.Class?.MetadataName switch
    {
        "LinearAttribute" => Linear(a, h),
        "RmsNormAttribute" => Norm(a, h, isRms: true),
        "LayerNormAttribute" => Norm(a, h, isRms: false),
        "EmbeddingAttribute" => new EmbeddingSpec
        {
            Member = member,
            Modifiers = h.Modifiers,
            Arguments = h.Arguments,
            Count = Width(a, 0),
            Width = Width(a, 1),
            Name = Name(a, 2),
        },
        "PositionEmbeddingAttribute" => new PositionEmbeddingSpec
        {
            Member = member,
            Modifiers = h.Modifiers,
            Arguments = h.Arguments,
            Count = Width(a, 0),
            Width = Width(a, 1),
            Name = Name(a, 2),
            Offset = a.NamedNumber("Offset"),
            Positions = (PositionChoice)a.NamedNumber("Positions"),
        },
        "RotaryAttribute" => Rotary(a, h),
        "AttentionAttribute" => new AttentionSpec
        {
            Member = member,
            Modifiers = h.Modifiers,
            Arguments = h.Arguments,
            Heads = Width(a, 0, "a head count"),
            KvHeads = Width(a, 1, "a head count"),
            HeadDim = Width(a, 2),
            Alibi = a.NamedFlag("Alibi"),
            AlibiWhen = scope.Flag(a.NamedText("AlibiWhen"), a.WhereNamed("AlibiWhen"), "a condition"),
            Prefix = a.NamedFlag("Prefix"),
            Window = scope.Integer(a.NamedText("Window"), a.WhereNamed("Window"), "a window"),
            Scale = scope.Number(a.NamedText("Scale"), a.WhereNamed("Scale"), "a scale"),
        },
        "SectionsAttribute" => new SectionsSpec
        {
            Member = member,
            Modifiers = h.Modifiers,
            Arguments = h.Arguments,
            Widths = Widths(a, 0),
            Groups = a.NamedText("Groups") is { } groups ? scope.Width(groups, a.WhereNamed("Groups"), "a number of groups") : null,
        },
        "LogNAttribute" => new LogNSpec
        {
            Member = member,
            Modifiers = h.Modifiers,
            Arguments = h.Arguments,
            TrainedLength = Width(a, 0, "a length"),
        },
        "UseAttribute`1" => Use(a, h),
        "RepeatAttribute`1" => Repeat(a, h),
        _ => Refuse(),
    };

    private LinearSpec Linear(AttributeReader a, Header h) => new()
    {
        Member = h.Member,
        Modifiers = h.Modifiers,
        Arguments = h.Arguments,
        Input = Width(a, 0),
        Output = Width(a, 1),
        Name = Name(a, 2),
        Bias = a.NamedFlag("Bias"),
        BiasWhen = scope.Flag(a.NamedText("BiasWhen"), a.WhereNamed("BiasWhen"), "a condition"),
        StoredInOut = a.NamedNumber("Layout") == 1,
        TiedTo = a.NamedText("TiedTo"),
        TiedWhen = scope.Flag(a.NamedText("TiedWhen"), a.WhereNamed("TiedWhen"), "a condition"),
        UnitRowsWhen = scope.Flag(a.NamedText("UnitRowsWhen"), a.WhereNamed("UnitRowsWhen"), "a condition"),
        Split = (SplitChoice)a.NamedNumber("Partition"),
        PaddleSections = a.NamedTexts("PaddleSections")
            .Select(name => names.Check(name, a.WhereNamed("PaddleSections"), isEmptyFine: false)!).ToEquatableArray(),
        PaddleKeepsTied = a.NamedFlag("PaddleKeepsTied"),
        PaddleTies = a.NamedFlag("PaddleTies"),
        KeepsTied = a.NamedFlag("KeepsTied"),
        PaddleSplit = (PaddleSplitChoice)a.NamedNumber("PaddleSplit"),
    };

    private NormSpec Norm(AttributeReader a, Header h, bool isRms) => new()
    {
        Member = h.Member,
        Modifiers = h.Modifiers,
        Arguments = h.Arguments,
        IsRms = isRms,
        Width = Width(a, 0),
        Name = Name(a, 1),
        Epsilon = scope.Number(a.NamedText("Epsilon"), a.WhereNamed("Epsilon"), "an epsilon"),
        Bias = !isRms && a.NamedFlag("Bias", otherwise: true),
    };

    private RotarySpec Rotary(AttributeReader a, Header h) => new()
    {
        Member = h.Member,
        Modifiers = h.Modifiers,
        Arguments = h.Arguments,
        HeadDim = Width(a, 0),
        Dim = a.NamedText("Dim") is { } dim ? scope.Width(dim, a.WhereNamed("Dim")) : null,
        Theta = scope.Number(a.NamedText("Theta"), a.WhereNamed("Theta"), "a base"),
        Scaling = scope.Scaling(a.NamedText("Scaling"), a.WhereNamed("Scaling")),
        Adjacent = a.NamedNumber("Pairing") == 1,
        Positions = (PositionChoice)a.NamedNumber("Positions"),
        HalfFrequenciesWhen = scope.Flag(a.NamedText("HalfFrequenciesWhen"), a.WhereNamed("HalfFrequenciesWhen"), "a condition"),
    };

    private DimRef Width(AttributeReader a, int index, string use = "a width") => scope.Width(a.Text(index), a.WhereArgument(index), use);

    private EquatableArray<DimRef> Widths(AttributeReader a, int index) =>
        a.Texts(index).Select((name, i) => scope.Width(name, a.WhereArgument(index + i))).ToEquatableArray();

    private string Name(AttributeReader a, int index) => names.Check(a.Text(index), a.WhereArgument(index), isEmptyFine: false) ?? "";

    private void Mark(string member, AttributeReader a)
    {
        for (var i = 0; i < a.Positional; i++) report.Mark(Anchors.LayerArgument(member, i), a.WhereArgument(i));
        var parameters = a.Class?.InstanceConstructors.FirstOrDefault()?.Parameters ?? [];
        for (var i = 0; i < parameters.Length; i++)
            if (parameters[i].Name == "name") report.Mark(Anchors.LayerName(member), a.WhereArgument(i));

        foreach (var property in new[] { "BiasWhen", "TiedTo", "TiedWhen", "Partition", "Dim", "Groups", "When", "Alibi", "AlibiWhen", "Paddle", "PaddleSections" })
            report.Mark(Anchors.LayerArgument(member, property), a.WhereNamed(property));
    }

    /// <summary>A layer attribute this compiler does not know: the runtime is of another version.</summary>
    private LayerSpec? Refuse()
    {
        report.Break();
        return null;
    }
}
