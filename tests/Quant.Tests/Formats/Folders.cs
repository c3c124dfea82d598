namespace Quant.Tests.Formats;

/// <summary>The recorded checkpoints, and a folder for what a test writes.</summary>
internal sealed class Folders : IDisposable
{
    private readonly string _path = Directory.CreateTempSubdirectory("generated-quant-").FullName;

    /// <summary>A path in the test's own folder.</summary>
    public string this[string name] => Path.Combine(_path, name);

    /// <summary>A recorded checkpoint of this repository.</summary>
    public static string Fixture(string name) => Path.Combine(RecordedFixtures.Root, name);

    public void Dispose() => Directory.Delete(_path, recursive: true);
}
