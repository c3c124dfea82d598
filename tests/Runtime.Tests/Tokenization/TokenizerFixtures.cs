namespace Runtime.Tests.Tokenization;

/// <summary>Committed fixtures, and folders made for one test.</summary>
internal static class TokenizerFixtures
{
    public static string Path(string file) => System.IO.Path.Combine(RecordedFixtures.Root, "tokenization", file);
}

/// <summary>A folder that is gone after the test.</summary>
internal sealed class TemporaryFolder : IDisposable
{
    public string Path { get; } = Directory.CreateTempSubdirectory("generated-tok-").FullName;

    public TemporaryFolder Write(string file, string text)
    {
        File.WriteAllText(System.IO.Path.Combine(Path, file), text);
        return this;
    }

    public TemporaryFolder Write(string file, byte[] bytes)
    {
        File.WriteAllBytes(System.IO.Path.Combine(Path, file), bytes);
        return this;
    }

    public TemporaryFolder Copy(string source, string? name = null)
        => Write(name ?? System.IO.Path.GetFileName(source), File.ReadAllBytes(source));

    public void Dispose() => Directory.Delete(Path, recursive: true);
}
