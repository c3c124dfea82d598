using System.Runtime.InteropServices;
using System.Text.Json;
using static Package.Tests.PackedPackages;

namespace Package.Tests;

/// <summary>What a user of the command gets: the tool is installed from a feed and works outside the repository.</summary>
[Collection(PackageCollection.Name)]
public sealed class ToolTests(PackedPackages packages)
{
    private const long Megabyte = 1024 * 1024;

    [SkippableFact]
    public void Tool_IsInstalled_InspectsAndVerifies()
    {
        Skip.IfNot(OperatingSystem.IsLinux() && RuntimeInformation.ProcessArchitecture == Architecture.X64, "The tool is packed for linux-x64.");
        var naming = Package($"Generated.Tool.{packages.Version}.nupkg");
        var holding = Package($"Generated.Tool.linux-x64.{packages.Version}.nupkg");
        Assert.True(naming.Length < Megabyte / 10, $"{naming.Name} has {naming.Length} bytes, and should only name the packages of systems.");
        Assert.True(holding.Length < 150 * Megabyte, $"{holding.Name} has {holding.Length / Megabyte} MB, and should hold libtorch of one system.");

        var folder = packages.NewFolder("tool");
        Dotnet(folder, $"tool install Generated.Tool --version {packages.Version} --tool-path tools --add-source \"{packages.Feed}\"");
        var tool = Path.Combine(folder, "tools", "generated");

        Assert.Contains("inspect", Generated("--help"), StringComparison.Ordinal);
        using (var facts = JsonDocument.Parse(Generated("inspect llama-7b --json")))
            Assert.Equal(6738415616, facts.RootElement.GetProperty("parameters").GetInt64());
        // Loads libtorch out of the tool's own folder.
        var llama = Path.Combine(RecordedFixtures.Root, "llama");
        var checks = Generated($"verify \"{llama}\" --golden \"{Path.Combine(llama, "golden.safetensors")}\"").Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.Contains(checks, line => line.Contains("\"logits\"", StringComparison.Ordinal));
        Assert.All(checks, line => Assert.EndsWith("\"ok\":true}", line, StringComparison.Ordinal));

        string Generated(string arguments)
        {
            var (code, output) = Run(folder, tool, arguments);
            Assert.True(code == 0, $"generated {arguments} ended with {code}:\n{output}");
            return output;
        }
    }

    private FileInfo Package(string name)
    {
        var file = new FileInfo(Path.Combine(packages.Feed, name));
        Assert.True(file.Exists, $"{name} was not packed.");
        return file;
    }
}
