using System.Diagnostics;
using System.Text.RegularExpressions;

namespace Package.Tests;

/// <summary>
/// What a user gets: the packages are packed, restored into a fresh project outside the repository, and an architecture
/// is declared there that the repository does not have.
/// </summary>
public sealed partial class PackageTests : IDisposable
{
    private static readonly string Root = FindRoot();
    private readonly string _folder = Directory.CreateTempSubdirectory("generated-package").FullName;

    // A version of its own, so that the package cache cannot answer with an older build.
    private readonly string _version = $"0.1.0-test{DateTime.UtcNow.Ticks}";

    public void Dispose()
    {
        Directory.Delete(_folder, recursive: true);
        foreach (var package in (string[])["generated.runtime", "generated.models"])
        {
            var cached = Path.Combine(PackageCache(), package, _version);
            if (Directory.Exists(cached)) Directory.Delete(cached, recursive: true);
        }
    }

    [Fact]
    public void FreshProject_DeclaresAnArchitecture_RunsItAndSeesItsErrors()
    {
        var feed = Path.Combine(_folder, "feed");
        foreach (var project in (string[])["src/Runtime", "src/Models"])
            Dotnet(Root, $"pack {project} -c Release -o \"{feed}\" -p:Version={_version} -p:PackageOutputPath=\"{feed}\"");
        Assert.Equal(2, Directory.GetFiles(feed, "*.nupkg").Length);
        Assert.Equal(2, Directory.GetFiles(feed, "*.snupkg").Length);

        var program = Path.Combine(_folder, "user");
        Directory.CreateDirectory(program);
        var source = File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "Programs", "Mistral.cs.txt"));
        File.WriteAllText(Path.Combine(program, "Program.cs"), source);
        File.WriteAllText(Path.Combine(program, "User.csproj"), $"""
            <Project Sdk="Microsoft.NET.Sdk">
              <PropertyGroup>
                <OutputType>Exe</OutputType>
                <TargetFramework>net10.0</TargetFramework>
                <Nullable>enable</Nullable>
                <ImplicitUsings>enable</ImplicitUsings>
                <CreateHardLinksForCopyLocalIfPossible>true</CreateHardLinksForCopyLocalIfPossible>
              </PropertyGroup>
              <ItemGroup><PackageReference Include="Generated.Models" Version="{_version}" /></ItemGroup>
            </Project>
            """);
        Dotnet(program, $"restore --source \"{feed}\" --source https://api.nuget.org/v3/index.json");
        Dotnet(program, "build --no-restore");
        Assert.Equal("correct", Dotnet(program, "bin/Debug/net10.0/User.dll").Trim());

        // The same program with one width wrong: one error, at that line, and no page of others.
        var wrong = source.Replace("[Linear(nameof(c.QWidth), nameof(c.Hidden), \"self_attn.o_proj\")]", "[Linear(nameof(c.KvWidth), nameof(c.Hidden), \"self_attn.o_proj\")]", StringComparison.Ordinal);
        Assert.NotEqual(source, wrong);
        File.WriteAllText(Path.Combine(program, "Program.cs"), wrong);
        var (code, output) = Run(program, "build --no-restore");
        Assert.NotEqual(0, code);
        var errors = ErrorLine().Matches(output).Select(m => (Line: int.Parse(m.Groups[1].Value), Id: m.Groups[2].Value)).Distinct().ToList();
        var call = 1 + wrong[..wrong.IndexOf("O(Attend(", StringComparison.Ordinal)].Count(c => c == '\n');
        var error = Assert.Single(errors);
        Assert.Equal(call, error.Line);
        Assert.StartsWith("GEN02", error.Id, StringComparison.Ordinal);
    }

    private static string Dotnet(string folder, string arguments)
    {
        var (code, output) = Run(folder, arguments);
        Assert.True(code == 0, $"dotnet {arguments} ended with {code}:\n{output}");
        return output;
    }

    private static (int Code, string Output) Run(string folder, string arguments)
    {
        var start = new ProcessStartInfo("dotnet", arguments) { WorkingDirectory = folder, RedirectStandardOutput = true, RedirectStandardError = true };
        // The test host's own settings are not a user's.
        foreach (var name in (string[])["MSBUILD_EXE_PATH", "MSBuildSDKsPath", "MSBuildExtensionsPath", "CI"]) start.Environment.Remove(name);
        using var process = Process.Start(start)!;
        var error = process.StandardError.ReadToEndAsync();
        var output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return (process.ExitCode, output + error.Result);
    }

    private static string PackageCache() => Environment.GetEnvironmentVariable("NUGET_PACKAGES") is { Length: > 0 } given
        ? given
        : Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".nuget", "packages");

    private static string FindRoot()
    {
        var folder = new DirectoryInfo(AppContext.BaseDirectory);
        while (folder is not null && !File.Exists(Path.Combine(folder.FullName, "Generated.sln"))) folder = folder.Parent;
        return folder?.FullName ?? throw new InvalidOperationException("The tests run outside the repository.");
    }

    [GeneratedRegex(@"Program\.cs\((\d+),\d+\): error (\w+):")]
    private static partial Regex ErrorLine();
}
