using Generated.Generators.Graph;

namespace Generated.Generators.Printing;

/// <summary>Prints a config's reading from and writing to config.json, and its table of presets.</summary>
internal static class ConfigPrinter
{
    private static readonly string Reader = Names.Configuration("ConfigReader");
    private static readonly string Writer = Names.Configuration("ConfigWriter");

    public static string Print(ConfigSpec spec)
    {
        var writer = new SourceWriter();
        FilePrinter.Header(writer, spec.Namespace);
        using (writer.Block($"partial record {spec.Name}"))
        {
            if (!IsTaken(nameof(Presets))) Presets(writer, spec);
            if (!IsTaken(nameof(Variants))) Variants(writer, spec);
            if (!IsTaken(nameof(Read))) Read(writer, spec);
            if (!IsTaken(nameof(Write))) Write(writer, spec);
            if (!IsTaken(EmittedNames.ConfigCheck)) writer.Line("/// <summary>Further checks and adjustments by hand, after the keys are read.</summary>")
                .Line("/// <param name=\"reader\">The config.json.</param>")
                .Line($"partial void Check({Reader} reader);");
        }

        if (!spec.IsBroken) DeclaredGraphPrinter.Print(writer, spec);
        return writer.ToString();

        bool IsTaken(string name) => spec.TakenNames.Contains(name);
    }

    private static void Presets(SourceWriter writer, ConfigSpec spec)
    {
        writer.Line("/// <summary>The published sizes, by name.</summary>")
            .Line($"public static {Names.List}<{Names.Architectures("Preset")}> Presets {{ get; }} =").Line("[");
        using (writer.Indented("];"))
        {
            foreach (var preset in spec.Presets)
            {
                var degrees = string.Join(", ", preset.TensorParallel.Select(d => d.ToString(System.Globalization.CultureInfo.InvariantCulture)));
                writer.Line($"new({Quoting.Literal(preset.Name)}, static () => {preset.Member}, [{degrees}]),");
            }
        }

        writer.Blank();
    }

    private static void Read(SourceWriter writer, ConfigSpec spec)
    {
        var read = spec.Properties.Where(p => p.IsSettable && p.Keys.Count > 0).ToList();
        writer.Line("/// <summary>Reads the config from a config.json; a missing key or an unfit value is refused by name.</summary>")
            .Line("/// <param name=\"reader\">The config.json.</param>")
            .Line("/// <exception cref=\"global::Generated.InvalidInputException\">A key is missing, or its value does not fit.</exception>");
        using (writer.Block($"public static {spec.Name} Read({Reader} reader)"))
        {
            if (spec.IsBroken)
            {
                writer.Line("throw new global::System.InvalidOperationException(\"The declaration has errors; see the build's output.\");");
            }
            else
            {
                Assign(writer, $"var config = new {spec.Name}", read.Where(p => p.IsRequired), Required);
                if (read.Any(p => !p.IsRequired)) Assign(writer, "config = config with", read.Where(p => !p.IsRequired), Optional);
                foreach (var quotient in spec.Quotients) Divides(writer, spec, quotient);
                writer.Line("config.Check(reader);").Line("return config;");
            }
        }

        writer.Blank();
    }

    private static void Assign(SourceWriter writer, string header, IEnumerable<ConfigPropertySpec> properties, Func<ConfigPropertySpec, string> value)
    {
        writer.Line(header).Line("{");
        using (writer.Indented("};"))
            foreach (var property in properties) writer.Line($"{property.Name} = {value(property)},");
    }

    private static string Keys(ConfigPropertySpec property) => string.Join(", ", AllKeys(property).Select(Quoting.Literal));

    private static IEnumerable<string> AllKeys(ConfigPropertySpec property) =>
        property.PaddleKey is { } paddle ? property.Keys.Append(paddle).Distinct() : property.Keys;

    private static string Required(ConfigPropertySpec property) => property.Kind switch
    {
        ConfigValueKind.Int when property.Type == "long" => $"reader.Long({Keys(property)})",
        ConfigValueKind.Int => $"reader.Size({Keys(property)})",
        ConfigValueKind.Double => Narrow(property, $"reader.Double({Keys(property)})"),
        ConfigValueKind.Bool => $"reader.Bool({Keys(property)})",
        ConfigValueKind.String => $"reader.String({Keys(property)})",
        ConfigValueKind.IntArray => $"reader.IntArray({Keys(property)})",
        _ => $"{Names.Layers("RopeScaling")}.Read(reader, {Quoting.Literal(property.Keys[0])})"
            + (property.IsNullable ? "" : $" ?? throw reader.Refuse({Quoting.Literal(property.Keys[0])}, \"is required\")"),
    };

    private static string Optional(ConfigPropertySpec property)
    {
        var given = property.PaddleDefault is { } paddle ? $"reader.IsPaddle ? {paddle} : config.{property.Name}" : $"config.{property.Name}";
        if (property.IsNullable && property.Kind is not (ConfigValueKind.String or ConfigValueKind.Object))
            return $"reader.Has({Keys(property)}) ? {Required(property).Replace("reader.Size(", "reader.Int(")} : {given}";
        return property.Kind switch
        {
            ConfigValueKind.Int => $"reader.{(property.Type == "long" ? "Long" : "Int")}Or({given}, {Keys(property)})",
            ConfigValueKind.Double => Narrow(property, $"reader.DoubleOr({given}, {Keys(property)})"),
            ConfigValueKind.Bool => $"reader.BoolOr({given}, {Keys(property)})",
            ConfigValueKind.String when property.IsNullable => $"reader.StringOr({given}, {Keys(property)})",
            ConfigValueKind.Object => $"{Names.Layers("RopeScaling")}.Read(reader, {Quoting.Literal(property.Keys[0])}) ?? {given}",
            _ => $"reader.Has({Keys(property)}) ? {Required(property)} : {given}",
        };
    }

    private static string Narrow(ConfigPropertySpec property, string value) => property.Type.TrimEnd('?') == "float" ? $"(float){value}" : value;

    /// <summary>A width that is a quotient must come out even; the declaration's widths rely on it.</summary>
    private static void Divides(SourceWriter writer, ConfigSpec spec, QuotientSpec quotient)
    {
        var (dividend, divisor) = (Code(quotient.Dividend), Code(quotient.Divisor));
        var named = quotient.Dividend.Atoms.Select(spec.Property).FirstOrDefault(p => p is { Keys.Count: > 0 });
        if (named is null) return;
        var positive = quotient.Divisor.AsConstant is null ? $"{divisor} > 0 && " : "";
        var why = quotient.Divisor.AsConstant is null
            ? $"$\"must be a multiple of {{{divisor}}}, the {KeyOf(quotient.Divisor) ?? quotient.Divisor.ToString()}\""
            : Quoting.Literal($"must be a multiple of {quotient.Divisor}");
        writer.Line($"reader.Require({positive}{dividend} % {divisor} == 0, {GivenKey(named)}, {why});");

        string? KeyOf(Dim dim) => spec.Property(dim.ToString()) is { Keys.Count: > 0 } property ? $"'{property.Keys[0]}'" : null;
    }

    /// <summary>The key that the file has, of several that may stand for a property; the first where it has none.</summary>
    private static string GivenKey(ConfigPropertySpec property)
    {
        var keys = AllKeys(property).Select(Quoting.Literal).ToList();
        return keys.Count == 1 ? keys[0] : string.Concat(keys.Select(key => $"reader.Has({key}) ? {key} : ")) + keys[0];
    }

    private static string Code(Dim dim)
    {
        var terms = dim.Terms.Select(t => string.Join(" * ", Factors(t))).ToList();
        return terms.Count == 1 ? terms[0] : $"({string.Join(" + ", terms)})";
    }

    private static IEnumerable<string> Factors(Dim.Term term)
    {
        if (term.Coefficient != 1 || term.Atoms.Count == 0) yield return term.Coefficient.ToString(System.Globalization.CultureInfo.InvariantCulture);
        foreach (var atom in term.Atoms) yield return $"config.{atom}";
    }

    private static void Write(SourceWriter writer, ConfigSpec spec)
    {
        writer.Line("/// <summary>Writes the config under its keys, Hugging Face's or Paddle's as the writer says.</summary>")
            .Line("/// <param name=\"writer\">The config.json.</param>");
        var written = spec.Properties.Where(p => !spec.IsBroken && p.IsSettable && p.Keys.Count > 0).ToList();
        using (writer.Block($"public void Write({Writer} writer)"))
        {
            if (written.Any(HasDefault))
            {
                var required = string.Join(", ", written.Where(p => p.IsRequired).Select(p => $"{p.Name} = {p.Name}"));
                writer.Line($"var absent = new {spec.Name}{(required.Length == 0 ? "()" : $" {{ {required} }}")};");
            }

            foreach (var property in written) writer.Line(WriteProperty(property));
        }

        writer.Blank();
    }

    private static bool HasDefault(ConfigPropertySpec property) =>
        !property.IsRequired && property.Kind != ConfigValueKind.Object && (!property.IsNullable || property.Kind == ConfigValueKind.String);

    private static string WriteProperty(ConfigPropertySpec property)
    {
        var isPlain = property.Keys.Count == 1 && property.PaddleKey is null;
        var key = isPlain
            ? Quoting.Literal(property.Keys[0])
            : $"writer.Key({Quoting.Literal(property.PaddleKey ?? property.Keys[0])}, {string.Join(", ", property.Keys.Select(Quoting.Literal))})";
        var value = Analysis.Passes.Names.Camel(property.Name) + "Value";
        return property.Kind switch
        {
            ConfigValueKind.Object => $"if (!writer.KeepsAbsent) {property.Name}{(property.IsNullable ? "?" : "")}.Write(writer, {Quoting.Literal(property.Keys[0])});",
            _ when HasDefault(property) => $"if (!writer.Leaves({key}, {IsDefault(property)})) writer.Set({key}, {property.Name});",
            _ when property.IsNullable => $"if ({property.Name} is {{ }} {value}) writer.Set({key}, {value});",
            _ => $"writer.Set({key}, {property.Name});",
        };
    }

    /// <summary>Whether a file without the key would mean the same.</summary>
    private static string IsDefault(ConfigPropertySpec property)
    {
        var otherwise = property.PaddleDefault is { } paddle ? $"(writer.IsPaddle ? {paddle} : absent.{property.Name})" : $"absent.{property.Name}";
        return property.Kind == ConfigValueKind.IntArray
            ? $"global::System.Linq.Enumerable.SequenceEqual({property.Name}, {otherwise})"
            : $"{property.Name} == {otherwise}";
    }

    private static void Variants(SourceWriter writer, ConfigSpec spec)
    {
        var variants = spec.Properties.SelectMany(p => p.Variants.Select(v => (Property: p, Variant: v))).ToList();
        writer.Line("/// <summary>Other readings of the same files, by name.</summary>")
            .Line($"public static {Names.List}<{Names.Architectures("ConfigVariant")}> Variants {{ get; }} =").Line("[");
        using (writer.Indented("];"))
            foreach (var (property, variant) in variants)
                writer.Line($"new({Quoting.Literal(variant.Name)}, {Quoting.Literal(property.Keys[0])}, {Quoting.Literal(variant.Json)}),");
        writer.Blank();
    }
}
