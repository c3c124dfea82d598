namespace Cli.Tests;

/// <summary>Recorded checkpoints of the repository, other people's data beside it, and temporary folders.</summary>
internal static class Data
{
    private static readonly string Root = FindRoot();

    /// <summary>A recorded file or folder.</summary>
    public static string Fixture(params string[] parts) => Path.Combine([RecordedFixtures.Root, .. parts]);

    /// <summary>The demo's checkpoint, which has a tokenizer.</summary>
    public static string Demo => Path.Combine(Root, "assets", "demo");

    /// <summary>Writes a folder that has the tokenizer of 512 pieces, as <c>tokenizer.model</c>.</summary>
    public static string Tokenizer(string folder)
    {
        Directory.CreateDirectory(folder);
        File.Copy(Fixture("tokenization", "tok512.model"), Path.Combine(folder, "tokenizer.model"));
        return folder;
    }

    /// <summary>A file or folder of shared/data, which is not part of the repository; skips the test where it is absent.</summary>
    public static string Shared(params string[] parts)
    {
        var named = Environment.GetEnvironmentVariable("GENERATED_SHARED");
        var candidates = named is { Length: > 0 } ? [named] : Ancestors(Root).Select(folder => Path.Combine(folder, "shared"));
        var path = candidates.Select(folder => Path.Combine([folder, "data", .. parts])).FirstOrDefault(Path.Exists);
        Skip.If(path is null, $"shared/data/{string.Join('/', parts)} is not there");
        return path!;
    }

    /// <summary>A folder of shared/fixtures that the repository has no copy of; skips the test where it is absent.</summary>
    public static string SharedFixture(string name)
    {
        var named = Environment.GetEnvironmentVariable("GENERATED_SHARED");
        var candidates = named is { Length: > 0 } ? [named] : Ancestors(Root).Select(folder => Path.Combine(folder, "shared"));
        var path = candidates.Select(folder => Path.Combine(folder, "fixtures", name)).FirstOrDefault(Path.Exists);
        Skip.If(path is null, $"shared/fixtures/{name} is not there");
        return path!;
    }

    /// <summary>Copies the files of a folder.</summary>
    public static void Copy(string from, string to)
    {
        Directory.CreateDirectory(to);
        foreach (var file in Directory.EnumerateFiles(from))
            File.Copy(file, Path.Combine(to, Path.GetFileName(file)), overwrite: true);
    }

    /// <summary>A folder that is deleted at the end.</summary>
    public static TemporaryFolder Temporary() => new();

    private static IEnumerable<string> Ancestors(string folder)
    {
        for (var info = new DirectoryInfo(folder); info is not null; info = info.Parent)
            yield return info.FullName;
    }

    private static string FindRoot() => Ancestors(AppContext.BaseDirectory).First(folder => File.Exists(Path.Combine(folder, "Generated.sln")));

    internal sealed class TemporaryFolder : IDisposable
    {
        public string Path { get; } = Directory.CreateTempSubdirectory("generated-cli-").FullName;

        public string this[params string[] parts] => System.IO.Path.Combine([Path, .. parts]);

        public void Dispose() => Directory.Delete(Path, recursive: true);
    }
}
