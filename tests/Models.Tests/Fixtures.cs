namespace Models.Tests;

/// <summary>Finds the tiny checkpoints whose outputs the original implementations recorded.</summary>
internal static class Fixtures
{
    private static readonly string Root = FindRoot();

    /// <summary>A fixture of this repository.</summary>
    public static string Folder(string name) => Path.Combine(RecordedFixtures.Root, name);

    /// <summary>A file or folder of the complete recordings beside a checkout (a copy would make the repository large), or null.</summary>
    public static string? Shared(string name)
    {
        var shared = Environment.GetEnvironmentVariable("GENERATED_SHARED") is { Length: > 0 } given ? given : Path.Combine(Root, "..", "shared");
        var path = Path.GetFullPath(Path.Combine(shared, "fixtures", name));
        return Path.Exists(path) ? path : null;
    }

    private static string FindRoot()
    {
        var folder = new DirectoryInfo(AppContext.BaseDirectory);
        while (folder is not null && !File.Exists(Path.Combine(folder.FullName, "Generated.sln"))) folder = folder.Parent;
        return folder?.FullName ?? throw new InvalidOperationException("The tests run outside the repository.");
    }
}
