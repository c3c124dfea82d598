using Generated.Generators.Graph;
using Generated.Generators.Graph.Text;

namespace Generated.Generators.Printing;

/// <summary>Prints the attribute by which the compiler of another project reads a declaration.</summary>
internal static class DeclaredGraphPrinter
{
    private const int LineLength = 120;

    public static void Print(SourceWriter writer, ClassSpec spec) => Print(writer, $"partial class {spec.Name};", GraphText.Write(spec));

    public static void Print(SourceWriter writer, ConfigSpec spec) => Print(writer, $"partial record {spec.Name};", GraphText.Write(spec));

    private static void Print(SourceWriter writer, string type, string text)
    {
        var lines = Enumerable.Range(0, (text.Length + LineLength - 1) / LineLength)
            .Select(i => Quoting.Literal(text.Substring(i * LineLength, Math.Min(LineLength, text.Length - (i * LineLength)))));
        writer.Blank().Line("// The declaration, for projects that use this type from the compiled assembly.")
            .Line("[global::Generated.DeclaredGraph(");
        using (writer.Indented("")) writer.Line(string.Join(" +\n", lines) + ")]");
        writer.Line(type);
    }
}
