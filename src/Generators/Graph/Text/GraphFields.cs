namespace Generated.Generators.Graph.Text;

/// <summary>The fields of a block, part or model, in the order of the text.</summary>
/// <param name="t">Where the fields go to or come from.</param>
/// <param name="config">When reading: what classes with a config parameter take.</param>
/// <param name="block">When reading: gives the blocks that a model repeats.</param>
internal sealed class GraphFields(Transfer t, ConfigSpec? config = null, Func<string, ClassSpec?>? block = null)
{
    public ClassSpec Class(ClassSpec? s)
    {
        var parameters = default(EquatableArray<ParameterSpec>);
        return new ClassSpec
        {
            Kind = t.Choice(s?.Kind ?? default),
            Namespace = t.Text(s?.Namespace),
            Name = t.Text(s?.Name),
            Accessibility = t.Text(s?.Accessibility),
            Parameters = parameters = t.List(s?.Parameters, p => new ParameterSpec(t.Text(p?.Name), t.Text(p?.Type), t.Flag(p?.IsConfig ?? false))),
            Prefix = t.Text(s?.Prefix),
            PaddlePrefix = t.OptionalText(s?.PaddlePrefix),
            Ignored = t.List<string>(s?.Ignored, t.Text),
            IgnoredInPaddle = t.List<string>(s?.IgnoredInPaddle, t.Text),
            Layers = t.List(s?.Layers, Layer),
            Bodies = t.List(s?.Bodies, Body),
            Config = s?.Config ?? (parameters.Any(p => p.IsConfig) ? config : null),
        };
    }

    private BodySpec Body(BodySpec? s) => new(t.Text(s?.Method), t.OptionalText(s?.When), t.List(s?.Nodes, Node), t.Integer(s?.Output ?? 0));

    private NodeSpec Node(NodeSpec? s) => new(
        Id: t.Integer(s?.Id ?? 0),
        Op: t.Choice(s?.Op ?? default),
        Inputs: t.Integers(s?.Inputs),
        Layer: t.OptionalText(s?.Layer),
        Name: t.OptionalText(s?.Name),
        Factor: t.OptionalText(s?.Factor),
        Section: t.Integer(s?.Section ?? 0));

    private LayerSpec Layer(LayerSpec? s)
    {
        var header = new Header(
            t.Text(s?.Member), t.Text(s?.Modifiers), t.List<string>(s?.Arguments, t.Text),
            t.OptionalText(s?.When), t.Text(s?.Name), t.OptionalText(s?.Paddle));
        LayerSpec layer = t.Text(s is null ? null : Kind(s)) switch
        {
            "linear" => Linear(s as LinearSpec, header),
            "norm" => Norm(s as NormSpec, header),
            "embedding" => Embedding(s as EmbeddingSpec, header),
            "positions" => Positions(s as PositionEmbeddingSpec, header),
            "rotary" => Rotary(s as RotarySpec, header),
            "attention" => Attention(s as AttentionSpec, header),
            "sections" => Sections(s as SectionsSpec, header),
            "logn" => LogN(s as LogNSpec, header),
            "use" => Use(s as UseSpec, header),
            "repeat" => Repeat(s as RepeatSpec, header),
            var other => throw new FormatException($"'{other}' is not a layer."),
        };
        return layer with { When = header.When, Name = header.Name, Paddle = header.Paddle };
    }

    private static string Kind(LayerSpec layer) => layer switch
    {
        LinearSpec => "linear",
        NormSpec => "norm",
        EmbeddingSpec => "embedding",
        PositionEmbeddingSpec => "positions",
        RotarySpec => "rotary",
        AttentionSpec => "attention",
        SectionsSpec => "sections",
        LogNSpec => "logn",
        UseSpec => "use",
        RepeatSpec => "repeat",
        _ => throw new InvalidOperationException($"{layer.GetType().Name} has no text."),
    };

    private sealed record Header(string Member, string Modifiers, EquatableArray<string> Arguments, string? When, string Name, string? Paddle);

    private LinearSpec Linear(LinearSpec? s, Header h) => new()
    {
        Member = h.Member,
        Modifiers = h.Modifiers,
        Arguments = h.Arguments,
        Input = Width(s?.Input),
        Output = Width(s?.Output),
        Bias = t.Flag(s?.Bias ?? false),
        BiasWhen = t.OptionalText(s?.BiasWhen),
        StoredInOut = t.Flag(s?.StoredInOut ?? false),
        TiedTo = t.OptionalText(s?.TiedTo),
        TiedWhen = t.OptionalText(s?.TiedWhen),
        UnitRowsWhen = t.OptionalText(s?.UnitRowsWhen),
        Split = t.Choice(s?.Split ?? default),
        PaddleSections = t.List<string>(s?.PaddleSections, t.Text),
        PaddleKeepsTied = t.Flag(s?.PaddleKeepsTied ?? false),
        PaddleTies = t.Flag(s?.PaddleTies ?? false),
        KeepsTied = t.Flag(s?.KeepsTied ?? false),
        PaddleSplit = t.Choice(s?.PaddleSplit ?? default),
    };

    private NormSpec Norm(NormSpec? s, Header h) => new()
    {
        Member = h.Member,
        Modifiers = h.Modifiers,
        Arguments = h.Arguments,
        IsRms = t.Flag(s?.IsRms ?? false),
        Width = Width(s?.Width),
        Epsilon = t.OptionalText(s?.Epsilon),
        Bias = t.Flag(s?.Bias ?? false),
    };

    private EmbeddingSpec Embedding(EmbeddingSpec? s, Header h) => new()
    {
        Member = h.Member,
        Modifiers = h.Modifiers,
        Arguments = h.Arguments,
        Count = Width(s?.Count),
        Width = Width(s?.Width),
    };

    private PositionEmbeddingSpec Positions(PositionEmbeddingSpec? s, Header h) => new()
    {
        Member = h.Member,
        Modifiers = h.Modifiers,
        Arguments = h.Arguments,
        Count = Width(s?.Count),
        Width = Width(s?.Width),
        Offset = t.Integer(s?.Offset ?? 0),
        Positions = t.Choice(s?.Positions ?? default),
    };

    private RotarySpec Rotary(RotarySpec? s, Header h) => new()
    {
        Member = h.Member,
        Modifiers = h.Modifiers,
        Arguments = h.Arguments,
        HeadDim = Width(s?.HeadDim),
        Dim = t.Optional(s?.Dim, Width),
        Theta = t.OptionalText(s?.Theta),
        Scaling = t.OptionalText(s?.Scaling),
        Adjacent = t.Flag(s?.Adjacent ?? false),
        Positions = t.Choice(s?.Positions ?? default),
        HalfFrequenciesWhen = t.OptionalText(s?.HalfFrequenciesWhen),
    };

    private AttentionSpec Attention(AttentionSpec? s, Header h) => new()
    {
        Member = h.Member,
        Modifiers = h.Modifiers,
        Arguments = h.Arguments,
        Heads = Width(s?.Heads),
        KvHeads = Width(s?.KvHeads),
        HeadDim = Width(s?.HeadDim),
        Alibi = t.Flag(s?.Alibi ?? false),
        AlibiWhen = t.OptionalText(s?.AlibiWhen),
        Window = t.OptionalText(s?.Window),
        Scale = t.OptionalText(s?.Scale),
        Prefix = t.Flag(s?.Prefix ?? false),
    };

    private SectionsSpec Sections(SectionsSpec? s, Header h) => new()
    {
        Member = h.Member,
        Modifiers = h.Modifiers,
        Arguments = h.Arguments,
        Widths = t.List(s?.Widths, Width),
        Groups = t.Optional(s?.Groups, Width),
    };

    private LogNSpec LogN(LogNSpec? s, Header h) => new()
    {
        Member = h.Member,
        Modifiers = h.Modifiers,
        Arguments = h.Arguments,
        TrainedLength = Width(s?.TrainedLength),
    };

    private UseSpec Use(UseSpec? s, Header h) => new()
    {
        Member = h.Member,
        Modifiers = h.Modifiers,
        Arguments = h.Arguments,
        Part = Class(s?.Part),
        Widths = t.List(s?.Widths, Width),
    };

    private RepeatSpec Repeat(RepeatSpec? s, Header h)
    {
        var name = t.Text(s?.Block.FullName);
        return new()
        {
            Member = h.Member,
            Modifiers = h.Modifiers,
            Arguments = h.Arguments,
            Block = s?.Block ?? block?.Invoke(name) ?? throw new FormatException($"{name} cannot be read."),
            Count = Width(s?.Count),
        };
    }

    private DimRef Width(DimRef? s) => new(t.Text(s?.Member), t.Text(s?.Code), ConfigFields.Dim(t, s?.Value));
}
