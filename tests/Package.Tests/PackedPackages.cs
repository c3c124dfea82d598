using System.Diagnostics;

namespace Package.Tests;

/// <summary>Every package, packed once from the repository into a feed outside it, and a folder to use them in.</summary>
public sealed class PackedPackages : IDisposable
{
    public PackedPackages()
    {
        Feed = Path.Combine(Folder, "feed");
        foreach (var project in (string[])["src/Runtime", "src/Models", "src/Quant", "src/Cli"])
            Dotnet(Root, $"pack {project} -c Release -p:Version={Version} -p:PackageOutputPath=\"{Feed}\"");
    }

    public static string Root { get; } = FindRoot();

    /// <summary>A version of its own, so that the package cache cannot answer with an older build.</summary>
    public string Version { get; } = $"0.1.0-test{DateTime.UtcNow.Ticks}";

    /// <summary>Outside the repository, deleted at the end.</summary>
    public string Folder { get; } = Directory.CreateTempSubdirectory("generated-package").FullName;

    public string Feed { get; }

    /// <summary>An empty folder beside the feed.</summary>
    public string NewFolder(string name) => Directory.CreateDirectory(Path.Combine(Folder, name)).FullName;

    public void Dispose()
    {
        Directory.Delete(Folder, recursive: true);
        foreach (var package in (string[])["generated.runtime", "generated.models", "generated.quant"])
        {
            var cached = Path.Combine(PackageCache(), package, Version);
            if (Directory.Exists(cached)) Directory.Delete(cached, recursive: true);
        }
    }

    /// <summary>Runs <c>dotnet</c>, which must succeed; gives all it wrote.</summary>
    public static string Dotnet(string folder, string arguments)
    {
        var (code, output) = Run(folder, "dotnet", arguments);
        Assert.True(code == 0, $"dotnet {arguments} ended with {code}:\n{output}");
        return output;
    }

    public static (int Code, string Output) Run(string folder, string program, string arguments)
    {
        var start = new ProcessStartInfo(program, arguments) { WorkingDirectory = folder, RedirectStandardOutput = true, RedirectStandardError = true };
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
}

/// <summary>One packing for all tests, and no two builds of one project at a time.</summary>
[CollectionDefinition(Name)]
public sealed class PackageCollection : ICollectionFixture<PackedPackages>
{
    public const string Name = "packages";
}
