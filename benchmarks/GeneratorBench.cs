using System.Diagnostics;
using Generated.Generators;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;

namespace Generated.Benchmarks;

/// <summary>Times the compiler of declarations over src/Models: the first run, and what each kind of edit costs after it.</summary>
internal static class GeneratorBench
{
    private const int Edits = 30;
    private static readonly CSharpParseOptions ParseOptions = new(LanguageVersion.Preview);

    public static int Run(string[] arguments)
    {
        var compilation = Declarations();
        var watch = Stopwatch.StartNew();
        GeneratorDriver driver = CSharpGeneratorDriver.Create([new ArchitectureGenerator().AsSourceGenerator()], parseOptions: ParseOptions);
        driver = driver.RunGenerators(compilation);
        var run = driver.GetRunResult();
        var lines = run.GeneratedTrees.Sum(t => t.GetText().Lines.Count);
        Console.WriteLine($"declarations {compilation.SyntaxTrees.Length} files, emitted {run.GeneratedTrees.Length} files of {lines} lines");
        Console.WriteLine($"cold                    {watch.Elapsed.TotalMilliseconds,8:F1} ms");

        var file = compilation.SyntaxTrees.Single(t => Path.GetFileName(t.FilePath) == "Llama.cs");
        Time("comment in a wiring", driver, compilation, file, (text, i) => text.Replace("return h +", $"/* {i} */ return h +"));
        Time("weight renamed", driver, compilation, file, (text, i) => text.Replace("\"self_attn.q_proj\"", $"\"self_attn.q_proj{i}\""));
        Time("wiring changed", driver, compilation, file, (text, i) => text.Replace("return h +", $"return {i + 2} * h +"));
        return 0;
    }

    private static void Time(string what, GeneratorDriver driver, CSharpCompilation compilation, SyntaxTree file, Func<string, int, string> edit)
    {
        var text = file.GetText().ToString();
        var times = new List<double>();
        for (var i = 0; i < Edits; i++)
        {
            var edited = compilation.ReplaceSyntaxTree(file, Tree(edit(text, i), file.FilePath));
            var watch = Stopwatch.StartNew();
            driver = driver.RunGenerators(edited);
            times.Add(watch.Elapsed.TotalMilliseconds);
        }

        times.Sort();
        Console.WriteLine($"{what,-23} {times[Edits / 2],8:F1} ms median, {times[^1],8:F1} ms worst of {Edits}");
    }

    private static CSharpCompilation Declarations()
    {
        var root = new DirectoryInfo(AppContext.BaseDirectory);
        while (root is not null && !File.Exists(Path.Combine(root.FullName, "Generated.sln"))) root = root.Parent;
        if (root is null) throw new InvalidOperationException("Run the benchmark inside the repository: src/Models was not found.");
        var sources = Directory.EnumerateFiles(Path.Combine(root.FullName, "src", "Models"), "*.cs").Order();
        var platform = ((string)AppContext.GetData("TRUSTED_PLATFORM_ASSEMBLIES")!).Split(Path.PathSeparator)
            .Where(path => !Path.GetFileName(path).StartsWith("Generated.Models", StringComparison.Ordinal));
        return CSharpCompilation.Create(
            "Generated.Models",
            [Tree("global using System; global using System.Collections.Generic; global using System.Linq;", "Usings.cs"), .. sources.Select(path => Tree(File.ReadAllText(path), path))],
            platform.Select(path => MetadataReference.CreateFromFile(path)),
            new CSharpCompilationOptions(OutputKind.DynamicallyLinkedLibrary, nullableContextOptions: NullableContextOptions.Enable));
    }

    private static SyntaxTree Tree(string text, string path) => CSharpSyntaxTree.ParseText(text, ParseOptions, path);
}
