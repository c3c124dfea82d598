using Generated.Generators.Graph;

namespace Generated.Generators.Printing;

/// <summary>Prints an assembly's list of architectures and the module initializer that registers them.</summary>
internal static class RegistryPrinter
{
    /// <summary>Name of the emitted file.</summary>
    public const string HintName = "GeneratedArchitectures.g.cs";

    /// <param name="namespace">The assembly's root namespace; empty for the global one.</param>
    /// <param name="models">Fully qualified names of usable models, in a stable order.</param>
    public static string Print(string @namespace, IEnumerable<string> models)
    {
        var infos = models.Select(m => $"{m}.Architecture").ToList();
        var list = $"{Names.List}<{Names.Architectures("ArchitectureInfo")}>";
        var writer = new SourceWriter();
        FilePrinter.Header(writer, @namespace);
        writer.Line("/// <summary>The architectures that this assembly declares; they are registered when it is loaded.</summary>");
        using (writer.Block("public static class GeneratedArchitectures"))
        {
            writer.Line("/// <summary>All of them, by class name.</summary>").Line($"public static {list} All {{ get; }} =").Line("[");
            using (writer.Indented("];")) writer.Lines(infos.Select(i => i + ","));
            writer.Blank().Line("[global::System.Runtime.CompilerServices.ModuleInitializer]")
                .Line($"internal static void Register() => {Names.Architectures("ArchitectureRegistry")}.Register(All);");
        }

        return writer.ToString();
    }
}
