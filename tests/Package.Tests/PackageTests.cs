using System.IO.Compression;
using System.Text.RegularExpressions;
using static Package.Tests.PackedPackages;

namespace Package.Tests;

/// <summary>
/// What an author gets: the packages are restored into a fresh project outside the repository, and an architecture is
/// declared there that the repository does not have.
/// </summary>
[Collection(PackageCollection.Name)]
public sealed partial class PackageTests(PackedPackages packages)
{
    [Fact]
    public void FreshProject_DeclaresAnArchitecture_RunsItAndSeesItsErrors()
    {
        Assert.Single(Directory.GetFiles(packages.Feed, "Generated.Runtime.*.snupkg"));
        Assert.Single(Directory.GetFiles(packages.Feed, "Generated.Models.*.snupkg"));

        using (var package = ZipFile.OpenRead(Path.Combine(packages.Feed, $"Generated.Runtime.{packages.Version}.nupkg")))
        {
            // Where the compiler's help links point, beside the compiler.
            Assert.NotNull(package.GetEntry("docs/rules/GEN0201.md"));
            Assert.NotNull(package.GetEntry("analyzers/dotnet/cs/Generated.Generators.dll"));
            Assert.NotNull(package.GetEntry("analyzers/dotnet/cs/Generated.CodeFixes.dll"));
        }

        var program = packages.NewFolder("user");
        var source = File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "Programs", "Mistral.cs.txt"));
        File.WriteAllText(Path.Combine(program, "Program.cs"), source);
        Build(program, "Generated.Models");
        Assert.Equal("correct", Dotnet(program, "bin/Debug/net10.0/User.dll").Trim());

        // The same program with one width wrong: one error, at that line, and no page of others.
        var wrong = source.Replace("[Linear(nameof(c.QWidth), nameof(c.Hidden), \"self_attn.o_proj\")]", "[Linear(nameof(c.KvWidth), nameof(c.Hidden), \"self_attn.o_proj\")]", StringComparison.Ordinal);
        Assert.NotEqual(source, wrong);
        File.WriteAllText(Path.Combine(program, "Program.cs"), wrong);
        var (code, output) = Run(program, "dotnet", "build --no-restore");
        Assert.NotEqual(0, code);
        var errors = ErrorLine().Matches(output).Select(m => (Line: int.Parse(m.Groups[1].Value), Id: m.Groups[2].Value)).Distinct().ToList();
        var call = 1 + wrong[..wrong.IndexOf("O(Attend(", StringComparison.Ordinal)].Count(c => c == '\n');
        var error = Assert.Single(errors);
        Assert.Equal(call, error.Line);
        Assert.StartsWith("GEN02", error.Id, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("Generated.Runtime")]
    [InlineData("Generated.Models")]
    [InlineData("Generated.Quant")]
    [InlineData("Generated.Tool")]
    [InlineData("Generated.Tool.linux-x64")]
    public void EveryPackage_HoldsReadmeAndLicence(string name)
    {
        using var package = ZipFile.OpenRead(Path.Combine(packages.Feed, $"{name}.{packages.Version}.nupkg"));
        Assert.Equal(File.ReadAllText(Path.Combine(Root, "README.md")), Text(package, "README.md"));
        Assert.Equal(File.ReadAllText(Path.Combine(Root, "LICENSE")), Text(package, "LICENSE"));
        var nuspec = Text(package, $"{name}.nuspec");
        Assert.Contains("<license type=\"expression\">Apache-2.0</license>", nuspec, StringComparison.Ordinal);
        Assert.Contains("<readme>README.md</readme>", nuspec, StringComparison.Ordinal);
    }

    private static string Text(ZipArchive package, string entry)
    {
        using var reader = new StreamReader(package.GetEntry(entry)?.Open() ?? throw new InvalidOperationException($"The package has no {entry}."));
        return reader.ReadToEnd();
    }

    [Fact]
    public void FreshProject_DeclaresRecipesForPackagedModels_AndSeesWhatTheyForbid()
    {
        const string Recipes = """
            using Generated.Models;
            using Generated.Quant.Recipes;

            System.Console.WriteLine(LlamaW8A8.Recipe.Keep[0]);

            [Quantize<Llama>, Smooth, Weights, Activations, Keep(Llama.Paths.Head)]
            public static partial class LlamaW8A8;
            """;
        var program = packages.NewFolder("recipes");
        File.WriteAllText(Path.Combine(program, "Program.cs"), Recipes);
        Build(program, "Generated.Models", "Generated.Quant");
        Assert.Equal("Llama.Head", Dotnet(program, "bin/Debug/net10.0/User.dll").Trim());

        File.WriteAllText(Path.Combine(program, "Program.cs"), Recipes.Replace("Llama>", "ChatGlm>", StringComparison.Ordinal).Replace("Llama.Paths", "ChatGlm.Paths", StringComparison.Ordinal));
        var (code, output) = Run(program, "dotnet", "build --no-restore");
        Assert.NotEqual(0, code);
        var errors = ErrorLine().Matches(output).Select(m => (Line: int.Parse(m.Groups[1].Value), Id: m.Groups[2].Value)).Distinct();
        Assert.Equal([(6, "GEN0710")], errors);
        Assert.Contains("because it also feeds the residual scaled by Alpha", output, StringComparison.Ordinal);
    }

    /// <summary>The README's two files, as they stand there.</summary>
    [Fact]
    public void Readme_TheArchitectureInFiveMinutes_Runs()
    {
        var readme = File.ReadAllText(Path.Combine(Root, "README.md"));
        var files = Fence().Matches(readme[readme.IndexOf("## Author an architecture", StringComparison.Ordinal)..]);
        var program = packages.NewFolder("readme");
        File.WriteAllText(Path.Combine(program, "Tiny.cs"), files[0].Groups[1].Value);
        File.WriteAllText(Path.Combine(program, "Program.cs"), files[1].Groups[1].Value);
        Build(program, "Generated.Models");

        var lines = Dotnet(program, "bin/Debug/net10.0/User.dll").Split('\n', StringSplitOptions.RemoveEmptyEntries);

        Assert.Equal(["full", "prefill", "decode"], lines.Select(line => line.Split(' ')[0]));
        Assert.All(lines, line => Assert.EndsWith("True", line.Trim(), StringComparison.Ordinal));
    }

    /// <summary>Makes a user's program of a folder's sources and builds it on packages of the feed.</summary>
    private void Build(string program, params IReadOnlyList<string> references)
    {
        File.WriteAllText(Path.Combine(program, "User.csproj"), $"""
            <Project Sdk="Microsoft.NET.Sdk">
              <PropertyGroup>
                <OutputType>Exe</OutputType>
                <TargetFramework>net10.0</TargetFramework>
                <Nullable>enable</Nullable>
                <ImplicitUsings>enable</ImplicitUsings>
                <CreateHardLinksForCopyLocalIfPossible>true</CreateHardLinksForCopyLocalIfPossible>
              </PropertyGroup>
              <ItemGroup>
                {string.Join('\n', references.Select(name => $"""<PackageReference Include="{name}" Version="{packages.Version}" />"""))}
              </ItemGroup>
            </Project>
            """);
        Dotnet(program, $"restore --source \"{packages.Feed}\" --source https://api.nuget.org/v3/index.json");
        Dotnet(program, "build --no-restore");
    }

    [GeneratedRegex(@"```csharp\n(.*?)```", RegexOptions.Singleline)]
    private static partial Regex Fence();

    [GeneratedRegex(@"Program\.cs\((\d+),\d+\): error (\w+):")]
    private static partial Regex ErrorLine();
}
