using System.Text.Json.Nodes;
using Generated.Architectures;
using Generated.Checkpoints;
using Generated.Configuration;
using TorchSharp;

namespace Generated.Loading.Converting;

/// <summary>
/// Writes the config.json of a checkpoint that was made of another. Within one world it stays as it is. From Hugging Face to Paddle,
/// keys get PaddleNLP's names and what is implied is said; the original is kept under <see cref="Kept"/>, from which the way back
/// restores it, so that nothing is lost that PaddleNLP has no word for.
/// </summary>
/// <param name="architecture">The architecture.</param>
/// <param name="config">Its typed config.</param>
/// <param name="options">Target layout and type.</param>
internal sealed class ConfigConversion(ArchitectureInfo architecture, object config, SaveOptions options)
{
    /// <summary>Key of a Paddle config under which Hugging Face's stands.</summary>
    public const string Kept = "hf_config";

    private const string Ranks = "tensor_parallel_degree";

    /// <summary>Keys that only transformers reads.</summary>
    private static readonly string[] HuggingFaceOnly = ["torch_dtype", "transformers_version", "auto_map"];

    /// <summary>Keys that only PaddleNLP reads.</summary>
    private static readonly string[] PaddleOnly = ["paddlenlp_version", "dtype", Ranks, Kept, "fuse_attention_qkv", "fuse_attention_ffn"];

    /// <summary>Writes the file.</summary>
    /// <param name="folder">The folder.</param>
    /// <param name="source">The source's config; null for a new model.</param>
    /// <param name="type">Type of the weights.</param>
    public void Write(string folder, ConfigReader? source, torch.ScalarType type)
    {
        var json = options.Layout == CheckpointLayout.Paddle ? Paddle(source, NameOf(type)) : HuggingFace(source, NameOf(type));
        json.Save(Path.Combine(folder, ConfigReader.FileName));
    }

    /// <summary>Name of a type in config files: float32, bfloat16, float16.</summary>
    public static string NameOf(torch.ScalarType type) => type.ToString().ToLowerInvariant();

    private ConfigWriter Paddle(ConfigReader? source, string type)
    {
        var keys = Keys(source);
        var isCrossing = source is { IsPaddle: false };
        if (isCrossing)
        {
            var kept = keys.DeepClone().AsObject();
            if (options.Dtype is not null)
                ReplaceType(kept, type);
            foreach (var key in HuggingFaceOnly)
                keys.Remove(key);
            keys[Kept] = kept;
        }

        var writer = new ConfigWriter(keys) { IsPaddle = true, KeepsAbsent = source is { IsPaddle: true }, Replaces = isCrossing };
        if (source is not { IsPaddle: true })
        {
            writer.Set("model_type", architecture.PaddleModelType ?? architecture.ModelType);
            if (architecture.PaddleArchitectures.Count > 0)
                writer.Set("architectures", [architecture.PaddleArchitectures[0]]);
        }

        writer.Set("dtype", type);
        if (options.TensorParallel > 1)
            writer.Set(Ranks, options.TensorParallel);
        else
            writer.Remove(Ranks);
        architecture.WriteConfig(config, writer);
        return writer;
    }

    private ConfigWriter HuggingFace(ConfigReader? source, string type)
    {
        if (source is { IsPaddle: false })
        {
            var same = Keys(source);
            if (options.Dtype is not null && !ReplaceType(same, type))
                same["torch_dtype"] = type;
            return Written(same, keepsAbsent: true);
        }

        var keys = Keys(source);
        if (keys[Kept] is JsonObject original)
        {
            var restored = original.DeepClone().AsObject();
            // What was changed since then counts, but for keys of which the two worlds have their own.
            var typed = new ConfigWriter { IsPaddle = true };
            architecture.WriteConfig(config, typed);
            string[] own = [.. HuggingFaceOnly, .. PaddleOnly, .. typed.Keys, "architectures", "model_type"];
            foreach (var key in restored.Select(pair => pair.Key).Where(key => keys.ContainsKey(key) && !own.Contains(key)).ToArray())
                restored[key] = keys[key]?.DeepClone();
            if (options.Dtype is not null && !ReplaceType(restored, type))
                restored["torch_dtype"] = type;
            return Written(restored, keepsAbsent: true);
        }

        foreach (var key in PaddleOnly)
            keys.Remove(key);
        var writer = Written(keys, keepsAbsent: false, replaces: source is not null);
        writer.Set("model_type", architecture.ModelType);
        if (architecture.Architectures.Count > 0)
            writer.Set("architectures", [architecture.Architectures[0]]);
        writer.Set("torch_dtype", type);
        return writer;
    }

    private ConfigWriter Written(JsonObject keys, bool keepsAbsent, bool replaces = false)
    {
        var writer = new ConfigWriter(keys) { KeepsAbsent = keepsAbsent, Replaces = replaces };
        architecture.WriteConfig(config, writer);
        return writer;
    }

    private static bool ReplaceType(JsonObject keys, string type)
    {
        var key = keys.ContainsKey("torch_dtype") ? "torch_dtype" : keys.ContainsKey("dtype") ? "dtype" : null;
        if (key is not null)
            keys[key] = type;
        return key is not null;
    }

    private static JsonObject Keys(ConfigReader? source) => source is null ? [] : JsonObject.Create(source.Root.Clone())!;
}
