using System.Text.Json;

namespace Generated.Checkpoints;

/// <summary>Concludes whose layout a checkpoint has, from its files.</summary>
internal static class LayoutDetection
{
    private const long LargestConfig = 16_000_000;

    public static (CheckpointLayout Layout, string Evidence) Detect(Checkpoint checkpoint)
    {
        if (checkpoint.Format == CheckpointFormat.PaddlePickle)
            return (CheckpointLayout.Paddle, "a file written by paddle.save");
        if (checkpoint.Format == CheckpointFormat.TorchPickle)
            return (CheckpointLayout.HuggingFace, "a file written by torch.save");

        switch (checkpoint.Metadata.GetValueOrDefault("format"))
        {
            case "pt":
                return (CheckpointLayout.HuggingFace, "safetensors metadata format 'pt'");
            case "np":
                return (CheckpointLayout.Paddle, "safetensors metadata format 'np'");
        }

        // Files without metadata: PaddleNLP's config.json names its own version.
        var folder = FolderOf(checkpoint.Location);
        return ReadConfig(folder, "paddlenlp_version", value => value.ValueKind == JsonValueKind.String)
            ? (CheckpointLayout.Paddle, "'paddlenlp_version' in config.json")
            : (CheckpointLayout.HuggingFace, "no sign of Paddle in the safetensors metadata or config.json");
    }

    /// <summary>The number of tensor-parallel ranks that config.json states, if it does.</summary>
    public static int? TensorParallelDegree(string folder) =>
        ReadConfig(folder, "tensor_parallel_degree", value => value.TryGetInt32(out var degree) && degree > 0 ? degree : default(int?));

    private static string FolderOf(string path) => Directory.Exists(path) ? path : Path.GetDirectoryName(Path.GetFullPath(path))!;

    private static T? ReadConfig<T>(string folder, string key, Func<JsonElement, T?> read)
    {
        var path = Path.Combine(folder, "config.json");
        try
        {
            var file = new FileInfo(path);
            if (!file.Exists || file.Length > LargestConfig)
                return default;
            using var config = JsonDocument.Parse(File.ReadAllBytes(path));
            return config.RootElement.ValueKind == JsonValueKind.Object && config.RootElement.TryGetProperty(key, out var value)
                ? read(value)
                : default;
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException or IOException or UnauthorizedAccessException)
        {
            // A damaged config.json is reported by whoever needs the configuration; here it is only no evidence.
            return default;
        }
    }
}
