using Generated.Generators;
using Generated.Generators.Graph;

namespace Generators.Tests.Analysis.Declarations;

/// <summary>Builds a class's graph by hand, as the parser would. Widths are given by name: of the config, or of a part's parameters.</summary>
internal sealed class ClassBuilder(ClassKind kind, string name, ConfigSpec? config)
{
    private readonly List<LayerSpec> _layers = [];
    private readonly List<BodySpec> _bodies = [];
    private readonly List<ParameterSpec> _parameters = config is null ? [] : [new("c", config.Type, true)];
    private string _prefix = "";
    private string? _paddlePrefix;
    private string[] _ignored = [];
    private ModelSpec? _model;

    public static ClassBuilder Block(string name, ConfigSpec config, string prefix, string? paddle = null, params string[] ignored) =>
        new(ClassKind.Block, name, config) { _prefix = prefix, _paddlePrefix = paddle, _ignored = ignored };

    public static ClassBuilder Part(string name, params string[] widths)
    {
        var builder = new ClassBuilder(ClassKind.Part, name, null);
        foreach (var width in widths) builder._parameters.Add(new ParameterSpec(width, "int", false));
        return builder;
    }

    public static ClassBuilder Model(string name, ConfigSpec config, string modelType) => new(ClassKind.Model, name, config)
    {
        _model = new ModelSpec(modelType, EquatableArray.Of(name + "ForCausalLM"), default, null, null, null, "global::Generated.Passes.CausalInputs"),
    };

    /// <summary>Any layer; the first argument sets what all kinds have.</summary>
    public ClassBuilder Add(LayerSpec layer)
    {
        _layers.Add(layer);
        return this;
    }

    public ClassBuilder Linear(
        string member, string input, string output, string name, bool bias = false, string? biasWhen = null, string? when = null,
        string? tiedTo = null, string? tiedWhen = null, SplitChoice split = SplitChoice.Auto, string? paddle = null, bool inOut = false) => Add(new LinearSpec
        {
            Member = member,
            Modifiers = "private",
            Arguments = EquatableArray.Of("x"),
            Name = name,
            Paddle = paddle,
            When = Code(when),
            Input = Width(input),
            Output = Width(output),
            Bias = bias,
            BiasWhen = Code(biasWhen),
            TiedTo = tiedTo,
            TiedWhen = Code(tiedWhen),
            Split = split,
            StoredInOut = inOut,
        });

    public ClassBuilder RmsNorm(string member, string width, string name, string? when = null, string? paddle = null) => Norm(member, width, name, true, when, paddle);

    public ClassBuilder LayerNorm(string member, string width, string name, string? when = null, string? paddle = null) => Norm(member, width, name, false, when, paddle);

    private ClassBuilder Norm(string member, string width, string name, bool isRms, string? when, string? paddle) => Add(new NormSpec
    {
        Member = member,
        Modifiers = "private",
        Arguments = EquatableArray.Of("x"),
        Name = name,
        Paddle = paddle,
        When = Code(when),
        IsRms = isRms,
        Bias = !isRms,
        Width = Width(width),
        Epsilon = "c.Epsilon",
    });

    public ClassBuilder Embedding(string member, string count, string width, string name, string? paddle = null) => Add(new EmbeddingSpec
    {
        Member = member,
        Modifiers = "private",
        Arguments = EquatableArray.Of("ids"),
        Name = name,
        Paddle = paddle,
        Count = Width(count),
        Width = Width(width),
    });

    public ClassBuilder Positions(string member, string count, string width, string name) => Add(new PositionEmbeddingSpec
    {
        Member = member,
        Modifiers = "private",
        Arguments = EquatableArray.Of("ids"),
        Name = name,
        Count = Width(count),
        Width = Width(width),
        Offset = 2,
    });

    public ClassBuilder Rotary(string member, string headDim, PositionChoice positions = PositionChoice.Sequence, string? dim = null) => Add(new RotarySpec
    {
        Member = member,
        Modifiers = "private",
        Arguments = EquatableArray.Of("x"),
        HeadDim = Width(headDim),
        Positions = positions,
        Dim = dim is null ? null : Width(dim),
        Theta = config?.Property("Theta") is null ? null : "c.Theta",
        Scaling = config?.Property("Scaling") is null ? null : "c.Scaling",
    });

    public ClassBuilder Attention(string member, string heads, string kvHeads, string headDim, bool alibi = false, bool prefix = false) => Add(new AttentionSpec
    {
        Member = member,
        Modifiers = "private",
        Arguments = EquatableArray.Of("q", "k", "v"),
        Heads = Width(heads),
        KvHeads = Width(kvHeads),
        HeadDim = Width(headDim),
        Alibi = alibi,
        Prefix = prefix,
    });

    public ClassBuilder Sections(string member, string[] widths, string? groups = null) => Add(new SectionsSpec
    {
        Member = member,
        Modifiers = "private",
        Arguments = EquatableArray.Of("x"),
        Widths = widths.Select(Width).ToEquatableArray(),
        Groups = groups is null ? null : Width(groups),
    });

    public ClassBuilder Use(string member, ClassSpec part, string name, string[] widths, string? when = null) => Add(new UseSpec
    {
        Member = member,
        Modifiers = "private",
        Arguments = EquatableArray.Of("x"),
        Name = name,
        When = Code(when),
        Part = part,
        Widths = widths.Select(Width).ToEquatableArray(),
    });

    public ClassBuilder Repeat(string member, ClassSpec block, string count) => Add(new RepeatSpec
    {
        Member = member,
        Modifiers = "private",
        Arguments = EquatableArray.Of("x"),
        Block = block,
        Count = Width(count),
    });

    public ClassBuilder Forward(Func<Wiring, Wiring.Wire> body) => Body("Forward", null, body);

    public ClassBuilder ForwardWhen(string flag, string method, Func<Wiring, Wiring.Wire> body) => Body(method, Code(flag), body);

    private ClassBuilder Body(string method, string? when, Func<Wiring, Wiring.Wire> body)
    {
        var wiring = new Wiring();
        _bodies.Add(wiring.Build(method, when, body(wiring)));
        return this;
    }

    public ClassSpec Build() => new()
    {
        Kind = kind,
        Namespace = "Generated.Models",
        Name = name,
        Accessibility = "public",
        Parameters = _parameters.ToEquatableArray(),
        Prefix = _prefix,
        PaddlePrefix = _paddlePrefix,
        Ignored = _ignored.ToEquatableArray(),
        Layers = _layers.ToEquatableArray(),
        Bodies = _bodies.ToEquatableArray(),
        Config = config,
        Model = _model,
    };

    private static string? Code(string? member) => member is null ? null : $"c.{member}";

    private DimRef Width(string member) => config is null
        ? new DimRef(member, member, Dim.Atom(member))
        : new DimRef(member, $"c.{member}", config.Property(member)?.Value ?? throw new InvalidOperationException($"The config has no width {member}."));
}
