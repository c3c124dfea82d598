namespace Quant.Tests.Pipeline;

/// <summary>The small real model and text beside a checkout; tests that need them are skipped where they are absent.</summary>
internal static class Stories
{
    private static readonly string Root = FindRoot();

    public static string Model(string variant) => Shared("stories260K", variant);

    public static string Text => Shared("text", "tinystories_excerpt.txt");

    public static string Fixture(string name) => Path.Combine(RecordedFixtures.Root, name);

    /// <summary>The demo's model, with its tokenizer.</summary>
    public static string Demo => Path.Combine(Root, "assets", "demo");

    private static string Shared(params string[] parts)
    {
        var shared = Environment.GetEnvironmentVariable("GENERATED_SHARED") is { Length: > 0 } given ? given : Path.Combine(Root, "..", "shared");
        var path = Path.GetFullPath(Path.Combine([shared, "data", .. parts]));
        Skip.If(!Path.Exists(path), $"shared/data/{string.Join('/', parts)} is not there");
        return path;
    }

    private static string FindRoot()
    {
        var folder = new DirectoryInfo(AppContext.BaseDirectory);
        while (folder is not null && !File.Exists(Path.Combine(folder.FullName, "Generated.sln"))) folder = folder.Parent;
        return folder?.FullName ?? throw new InvalidOperationException("The tests run outside the repository.");
    }
}
