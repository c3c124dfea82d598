using System.Runtime.CompilerServices;

namespace Generators.Tests.Snapshots;

/// <summary>
/// Compares text with a file beside the tests. <c>GENERATED_UPDATE_SNAPSHOTS=1 dotnet test</c> rewrites the files.
/// </summary>
internal static class Snapshot
{
    /// <summary>Names of all files that are there.</summary>
    public static IEnumerable<string> Names([CallerFilePath] string caller = "") =>
        Directory.EnumerateFiles(Path.Combine(Path.GetDirectoryName(caller)!, "Expected"), "*.txt").Select(path => Path.GetFileNameWithoutExtension(path));

    public static void Match(string actual, string name, [CallerFilePath] string caller = "")
    {
        Assert.DoesNotContain('\r', actual);
        var path = Path.Combine(Path.GetDirectoryName(caller)!, "Expected", name + ".txt");
        if (Environment.GetEnvironmentVariable("GENERATED_UPDATE_SNAPSHOTS") == "1")
        {
            Directory.CreateDirectory(Path.GetDirectoryName(path)!);
            File.WriteAllText(path, actual);
            return;
        }

        Assert.True(File.Exists(path), $"{path} does not exist; run the tests with GENERATED_UPDATE_SNAPSHOTS=1 and review what they write.");
        Assert.Equal(File.ReadAllText(path).Replace("\r\n", "\n"), actual);
    }
}
