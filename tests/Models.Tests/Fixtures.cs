using System.Text.Json.Nodes;
using Generated.Loading;
using TorchSharp;

namespace Models.Tests;

/// <summary>Finds the tiny checkpoints whose outputs the original implementations recorded.</summary>
internal static class Fixtures
{
    private static readonly string Root = FindRoot();

    /// <summary>A fixture of this repository.</summary>
    public static string Folder(string name) => Path.Combine(RecordedFixtures.Root, name);

    /// <summary>
    /// Loads a fixture in float32. GLM's config does not name the tokens that its inputs depend on; they are given here as meta.json of the
    /// recording has them.
    /// </summary>
    public static LoadedModel Load(string name)
    {
        var options = new LoadOptions { Dtype = torch.ScalarType.Float32 };
        if (name != "glm")
            return ModelLoader.Load(Folder(name), options);
        var folder = Directory.CreateTempSubdirectory("generated-glm-").FullName;
        try
        {
            var config = JsonNode.Parse(File.ReadAllText(Path.Combine(Folder(name), "config.json")))!.AsObject();
            (config["sop_token_id"], config["mask_token_ids"]) = (8, new JsonArray(6));
            File.WriteAllText(Path.Combine(folder, "config.json"), config.ToJsonString());
            File.Copy(Path.Combine(Folder(name), "model.safetensors"), Path.Combine(folder, "model.safetensors"));
            return ModelLoader.Load(folder, options);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    /// <summary>Copies a fixture's model into a new folder, with another value of one key of its config.json. Returns the folder.</summary>
    public static string Changed(string name, string folder, string key, string json)
    {
        Directory.CreateDirectory(folder);
        foreach (var weights in Directory.EnumerateFiles(Folder(name), "model*.safetensors"))
            File.Copy(weights, Path.Combine(folder, Path.GetFileName(weights)));
        var config = JsonNode.Parse(File.ReadAllText(Path.Combine(Folder(name), "config.json")))!.AsObject();
        config[key] = JsonNode.Parse(json);
        File.WriteAllText(Path.Combine(folder, "config.json"), config.ToJsonString());
        return folder;
    }

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

/// <summary>A folder that is deleted at the end.</summary>
internal sealed class TemporaryFolder : IDisposable
{
    private readonly string _path = Directory.CreateTempSubdirectory("generated-models-").FullName;

    public string this[string name] => Path.Combine(_path, name);

    public void Dispose() => Directory.Delete(_path, recursive: true);
}
