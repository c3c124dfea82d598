using Generated.Configuration;

namespace Generated.Loading;

/// <summary>What a checkpoint says about generation: in generation_config.json, or else in config.json.</summary>
internal static class GenerationDefaults
{
    private const string FileName = "generation_config.json";

    /// <summary>Ids that end a generation; null where no file names any.</summary>
    public static IReadOnlyList<int>? EosIds(string directory, ConfigReader config)
    {
        var own = Path.Combine(directory, FileName);
        var files = File.Exists(own) ? [ConfigReader.Load(own), config] : new[] { config };
        return files.Select(file => file.IntArray("eos_token_id")).FirstOrDefault(ids => ids.Length > 0);
    }

    /// <summary>
    /// Longest sequence the model was made for; null where the config does not say or where positions stretch by themselves
    /// (ALiBi configs give no length; dynamic NTK goes on past it).
    /// </summary>
    public static int? ContextLength(ConfigReader config)
    {
        var scaling = config.Object("rope_scaling");
        var kind = scaling?.StringOr(null, "rope_type", "type");
        if (kind == "dynamic" || config.BoolOr(false, "use_dynamic_ntk"))
            return null;
        var length = config.IntOr(0, "max_position_embeddings", "n_positions", "max_sequence_length");
        if (length <= 0)
            return null;
        // Old configs with linear scaling give the trained length; newer ones say it apart and give the stretched one.
        var isTrainedLength = kind == "linear" && !scaling!.Has("original_max_position_embeddings");
        return isTrainedLength ? (int)Math.Min(int.MaxValue, length * scaling!.DoubleOr(1, "factor")) : length;
    }
}
