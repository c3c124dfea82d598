namespace Generated.Generators.Graph.Text;

/// <summary>The fields of a config, in the order of the text.</summary>
internal static class ConfigFields
{
    public static ConfigSpec Config(Transfer t, ConfigSpec? s) => new()
    {
        Type = t.Text(s?.Type),
        Namespace = t.Text(s?.Namespace),
        Name = t.Text(s?.Name),
        Properties = t.List(s?.Properties, p => Property(t, p)),
        Presets = t.List(s?.Presets, p => Preset(t, p)),
        Quotients = t.List(s?.Quotients, q => new QuotientSpec(t.Text(q?.Member), Dim(t, q?.Dividend), Dim(t, q?.Divisor))),
    };

    private static ConfigPropertySpec Property(Transfer t, ConfigPropertySpec? s) => new(
        Name: t.Text(s?.Name),
        Kind: t.Choice(s?.Kind ?? default),
        Type: t.Text(s?.Type),
        IsNullable: t.Flag(s?.IsNullable ?? false),
        IsSettable: t.Flag(s?.IsSettable ?? false),
        IsRequired: t.Flag(s?.IsRequired ?? false),
        Keys: t.List<string>(s?.Keys, t.Text),
        PaddleKey: t.OptionalText(s?.PaddleKey),
        Value: t.Optional(s?.Value, value => Dim(t, value)))
    {
        PaddleDefault = t.OptionalText(s?.PaddleDefault),
        Variants = t.List(s?.Variants, v => new VariantSpec(t.Text(v?.Name), t.Text(v?.Json))),
    };

    private static PresetSpec Preset(Transfer t, PresetSpec? s) => new(
        Name: t.Text(s?.Name),
        Member: t.Text(s?.Member),
        TensorParallel: t.Integers(s?.TensorParallel),
        Values: t.List(s?.Values, v => new PresetValue(t.Text(v?.Member), t.Number(v?.Number ?? 0))));

    public static Dim Dim(Transfer t, Dim? s)
    {
        var terms = t.List(s?.Terms, term => new Dim.Term(t.Number(term?.Coefficient ?? 0), t.List<string>(term?.Atoms, t.Text)));
        return terms.Aggregate(
            Graph.Dim.Constant(0),
            (sum, term) => sum + term.Atoms.Aggregate(Graph.Dim.Constant(term.Coefficient), (product, atom) => product * Graph.Dim.Atom(atom)));
    }
}
