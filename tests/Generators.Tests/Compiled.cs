using Generated.Generators;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;

namespace Generators.Tests;

/// <summary>C# text compiled against .NET and the runtime, with the generator run over it.</summary>
internal sealed class Compiled
{
    private Compiled(GeneratorDriverRunResult run, Compilation input, Compilation output)
    {
        Run = run;
        Input = input;
        Output = output;
    }

    public GeneratorDriverRunResult Run { get; }

    /// <summary>The declaration alone.</summary>
    public Compilation Input { get; }

    /// <summary>The declaration with its generated half.</summary>
    public Compilation Output { get; }

    /// <summary>What the generator reports, pragmas applied, by place.</summary>
    public IReadOnlyList<Diagnostic> Diagnostics => Ordered(Run.Diagnostics);

    /// <summary>Every error a user sees: the compiler's and the generator's.</summary>
    public IReadOnlyList<Diagnostic> Errors =>
        Ordered(Run.Diagnostics.Concat(Output.GetDiagnostics()).Where(d => d.Severity == DiagnosticSeverity.Error && !d.IsSuppressed));

    public static Compiled From(params string[] sources) => From(Source.Compilation(sources));

    public static Compiled From(CSharpCompilation input)
    {
        var driver = Driver().RunGeneratorsAndUpdateCompilation(input, out var output, out _);
        return new Compiled(driver.GetRunResult(), input, output);
    }

    public static GeneratorDriver Driver() => CSharpGeneratorDriver.Create(
        [new ArchitectureGenerator().AsSourceGenerator()],
        parseOptions: Source.ParseOptions,
        driverOptions: new GeneratorDriverOptions(IncrementalGeneratorOutputKind.None, trackIncrementalGeneratorSteps: true));

    private static List<Diagnostic> Ordered(IEnumerable<Diagnostic> diagnostics) =>
        diagnostics.OrderBy(d => d.Location.SourceTree?.FilePath).ThenBy(d => d.Location.SourceSpan.Start).ThenBy(d => d.Id).ToList();
}
