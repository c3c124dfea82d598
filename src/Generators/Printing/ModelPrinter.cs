using Generated.Generators.Analysis;
using Generated.Generators.Graph;

namespace Generated.Generators.Printing;

/// <summary>Prints what only a whole model has: its creation, config, structure and registry entry.</summary>
internal static class ModelPrinter
{
    public static void Print(SourceWriter writer, ClassPlan plan)
    {
        var spec = plan.Spec;
        var (model, config) = (spec.Model!, spec.Config!.Type);
        var blocks = spec.Layers.OfType<RepeatSpec>().Select(r => $"Layers.{r.Member}").ToList();
        writer.Line("/// <inheritdoc/>").Line($"public override object Config => {spec.ConfigParameter};").Blank();
        writer.Line("/// <inheritdoc/>").Line($"public override {Names.Architectures("ModelStructure")} Structure => StructureOf({spec.ConfigParameter});").Blank();
        writer.Line("/// <inheritdoc/>")
            .Line($"public override {Names.List}<{Names.Architectures("Block")}> AllBlocks => {(blocks.Count == 1 ? blocks[0] : $"[{string.Join(", ", blocks.Select(b => ".. " + b))}]")};").Blank();

        // Schemes of special architectures read ids of special tokens and the like from the config.
        var scheme = model.InputScheme == Parsing.KnownNames.DefaultInputs ? $"{model.InputScheme}.Instance" : $"field ??= new {model.InputScheme}({spec.ConfigParameter})";
        writer.Line("/// <inheritdoc/>").Line($"public override global::Generated.Passes.IInputScheme Inputs => {scheme};").Blank();

        writer.Line("/// <summary>Builds a model with uninitialised weights.</summary>")
            .Line("/// <param name=\"config\">Its sizes.</param>")
            .Line("/// <param name=\"options\">Type, device and tensor-parallel group.</param>");
        using (writer.Block($"public static {spec.Name} Create({config} config, {Names.Layers("BuildOptions")} options)"))
        {
            writer.Line($"var model = new {spec.Name}(config);")
                .Line($"model.Initialize(new {Names.Layers("BuildContext")}(options));")
                .Line("return model;");
        }

        writer.Blank().Line("/// <summary>What selects this architecture and how it is made.</summary>")
            .Line($"public static {Names.Architectures("ArchitectureInfo")} Architecture {{ get; }} = new()").Line("{");
        using (writer.Indented("};"))
            foreach (var property in Info(spec, model, config)) writer.Line(property + ",");
        writer.Blank();
    }

    private static IEnumerable<string> Info(ClassSpec spec, ModelSpec model, string config)
    {
        yield return $"Name = {Quoting.Literal(spec.Name)}";
        yield return $"ModelType = {Quoting.Literal(model.ModelType)}";
        yield return $"Architectures = {Quoting.Literals(model.Architectures)}";
        if (model.PaddleModelType is { } type) yield return $"PaddleModelType = {Quoting.Literal(type)}";
        if (model.PaddleArchitectures.Count > 0) yield return $"PaddleArchitectures = {Quoting.Literals(model.PaddleArchitectures)}";
        if (model.OptionalPrefix is { } prefix) yield return $"OptionalPrefix = {Quoting.Literal(prefix)}";
        if (model.RequiredKey is { } key) yield return $"RequiredKey = {Quoting.Literal(key)}";
        var ignored = Ignored(spec).ToList();
        if (ignored.Count > 0) yield return $"Ignored = {Quoting.Literals(ignored)}";
        if (spec.IgnoredInPaddle.Count > 0)
        {
            var pairs = spec.Ignored.Zip(spec.IgnoredInPaddle, (name, paddle) => $"[{Quoting.Literal(name)}] = {Quoting.Literal(paddle)}");
            yield return $"IgnoredInPaddle = new global::System.Collections.Generic.Dictionary<string, string> {{ {string.Join(", ", pairs)} }}";
        }

        if (spec.Config!.Properties.Any(p => p.Variants.Count > 0)) yield return $"Variants = {config}.Variants";
        yield return $"ReadConfig = static reader => {config}.Read(reader)";
        yield return $"WriteConfig = static (config, writer) => (({config})config).Write(writer)";
        yield return $"Presets = {config}.Presets";
        yield return $"Create = static (config, options) => Create(({config})config, options)";
        yield return $"StructureOf = static config => StructureOf(({config})config)";
        yield return $"TensorsOf = static config => TensorsOf(({config})config)";
    }

    /// <summary>Full names of known, unused tensors; <c>{i}</c> stands for a block's index.</summary>
    private static IEnumerable<string> Ignored(ClassSpec spec) => spec.Ignored
        .Concat(spec.IgnoredInPaddle)
        .Concat(spec.Layers.OfType<RepeatSpec>().SelectMany(r => NamesIn(r.Block)))
        .Distinct();

    private static IEnumerable<string> NamesIn(ClassSpec block)
    {
        foreach (var name in block.Ignored)
        {
            yield return LayerRewriting.Join(block.Prefix, name);
            if (block.PaddlePrefix is { } paddle) yield return LayerRewriting.Join(paddle, name);
        }
    }
}
