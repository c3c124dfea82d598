using System.Text.Json;

namespace Runtime.Tests.Tokenization;

/// <summary>Other people's tokenizers and their recorded vectors, in <c>shared/data</c> beside the repository (or under GENERATED_SHARED); never committed.</summary>
internal static class TokenizerData
{
    private static readonly string? Shared = FindShared();

    public static string? Folder(string name)
        => Shared is not null && Directory.Exists(Path.Combine(Shared, "data", "tokenizers", name)) ? Path.Combine(Shared, "data", "tokenizers", name) : null;

    public static string Require(string name)
    {
        Skip.If(Folder(name) is null, $"shared/data/tokenizers/{name} is not there");
        return Folder(name)!;
    }

    public static string RequireText(string file)
    {
        string? path = Shared is null ? null : Path.Combine(Shared, "data", "text", file);
        Skip.IfNot(File.Exists(path), $"shared/data/text/{file} is not there");
        return File.ReadAllText(path!);
    }

    public static string? SharedPath(params string[] parts) => Shared is null ? null : Path.Combine([Shared, .. parts]);

    /// <summary>The rows of a recorded file.</summary>
    public static IEnumerable<Vector> Vectors(string path)
    {
        foreach (string line in File.ReadLines(path))
        {
            using var row = JsonDocument.Parse(line);
            yield return new Vector(row.RootElement.Clone());
        }
    }

    private static string? FindShared()
    {
        if (Environment.GetEnvironmentVariable("GENERATED_SHARED") is { Length: > 0 } named)
            return named;
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            string candidate = Path.Combine(folder.FullName, "shared");
            if (Directory.Exists(Path.Combine(candidate, "data")))
                return candidate;
        }
        return null;
    }
}

/// <summary>One recorded row.</summary>
internal sealed class Vector(JsonElement row)
{
    public string Text => row.GetProperty("text").GetString()!;

    public int[] Ids(string key = "ids") => [.. row.GetProperty(key).EnumerateArray().Select(id => id.GetInt32())];

    public string String(string key) => row.GetProperty(key).GetString()!;

    public bool Has(string key) => row.TryGetProperty(key, out _);
}
