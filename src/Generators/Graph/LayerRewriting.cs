using System.Text.RegularExpressions;

namespace Generated.Generators.Graph;

/// <summary>
/// Restates a part's layers in the terms of the class that uses the part: widths become the caller's, the part's config
/// parameter gets the caller's name, and checkpoint names get the caller's prefix.
/// </summary>
internal sealed class LayerRewriting
{
    private readonly Dictionary<string, DimRef> _widths = new(StringComparer.Ordinal);
    private readonly Regex? _config;
    private readonly string _callerConfig = "";
    private readonly UseSpec _use;

    public LayerRewriting(UseSpec use, ClassSpec caller)
    {
        _use = use;
        var widths = 0;
        foreach (var parameter in use.Part.Parameters)
        {
            if (!parameter.IsConfig)
            {
                if (widths < use.Widths.Count) _widths[parameter.Name] = use.Widths[widths];
                widths++;
            }
            else if (caller.Parameters.FirstOrDefault(p => p.IsConfig) is { } config && config.Name != parameter.Name)
            {
                _config = new Regex($@"(?<![\w.@]){Regex.Escape(parameter.Name)}(?=\.)", RegexOptions.CultureInvariant);
                _callerConfig = config.Name;
            }
        }
    }

    public LayerSpec Rewrite(LayerSpec layer) => Typed(layer) with
    {
        When = Code(layer.When),
        Name = Join(_use.Name, layer.Name),
        Paddle = _use.Paddle is null && layer.Paddle is null ? null : Join(_use.Paddle ?? _use.Name, layer.Paddle ?? layer.Name),
    };

    private LayerSpec Typed(LayerSpec layer) => layer switch
    {
        LinearSpec l => l with
        {
            Input = Width(l.Input),
            Output = Width(l.Output),
            BiasWhen = Code(l.BiasWhen),
            TiedWhen = Code(l.TiedWhen),
            UnitRowsWhen = Code(l.UnitRowsWhen),
            PaddleSections = l.PaddleSections.Select(s => Join(_use.Paddle ?? _use.Name, s)).ToEquatableArray(),
        },
        NormSpec n => n with { Width = Width(n.Width), Epsilon = Code(n.Epsilon) },
        EmbeddingSpec e => e with { Count = Width(e.Count), Width = Width(e.Width) },
        PositionEmbeddingSpec p => p with { Count = Width(p.Count), Width = Width(p.Width) },
        RotarySpec r => r with
        {
            HeadDim = Width(r.HeadDim),
            Dim = r.Dim is null ? null : Width(r.Dim),
            Theta = Code(r.Theta),
            Scaling = Code(r.Scaling),
            HalfFrequenciesWhen = Code(r.HalfFrequenciesWhen),
        },
        AttentionSpec a => a with
        {
            Heads = Width(a.Heads),
            KvHeads = Width(a.KvHeads),
            HeadDim = Width(a.HeadDim),
            AlibiWhen = Code(a.AlibiWhen),
            Window = Code(a.Window),
            Scale = Code(a.Scale),
        },
        SectionsSpec s => s with { Widths = s.Widths.Select(Width).ToEquatableArray(), Groups = s.Groups is null ? null : Width(s.Groups) },
        LogNSpec g => g with { TrainedLength = Width(g.TrainedLength) },
        UseSpec u => u with { Widths = u.Widths.Select(Width).ToEquatableArray() },
        _ => layer,
    };

    /// <summary>C# of the part in the caller's terms.</summary>
    public string? Code(string? code) => code is null || _config is null ? code : _config.Replace(code, _callerConfig);

    private DimRef Width(DimRef width) => _widths.TryGetValue(width.Code, out var given)
        ? given
        : width with
        {
            Code = Code(width.Code)!,
            Value = width.Value.Substitute(atom => _widths.TryGetValue(atom, out var inner) ? inner.Value : null),
        };

    public static string Join(string prefix, string name) =>
        prefix.Length == 0 ? name : name.Length == 0 ? prefix : $"{prefix}.{name}";
}
