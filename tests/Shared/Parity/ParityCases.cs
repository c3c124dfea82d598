using System.Text.Json.Nodes;
using Generated.Configuration;

/// <summary>The models whose ranks are compared with one rank.</summary>
internal static class ParityCases
{
    /// <summary>Recorded checkpoints, one of each family and topology, and how exactly their recorded values are met (absolute).</summary>
    internal static readonly (string Folder, double Absolute)[] Recorded =
    [
        ("llama", 1e-4), ("llama2-gqa", 1e-4), ("chatglm", 1e-4), ("chatglm2", 1e-4), ("bloom", 1e-4), ("gpt", 1e-4), ("opt", 1e-4),
        ("opt-postln", 3e-4), ("glm", 1e-4), ("qwen", 1e-4), ("qwen2", 1e-4), ("baichuan-7b", 1e-4), ("baichuan-13b", 1e-4), ("baichuan2-7b", 1e-4),
    ];

    /// <summary>Those that processes also run with norms and residuals divided by positions: RMSNorm, LayerNorm, position tables and projections.</summary>
    internal static readonly string[] DividedByPositions = ["llama", "bloom", "opt-postln"];

    /// <summary>What the recorded checkpoints do not show: a recorded config with other values, and the ranks it is divided over.</summary>
    internal static readonly Variant[] Variants =
    [
        new("one key/value head for all ranks", "llama2-gqa", 4, """{"num_key_value_heads": 1}"""),
        new("each key/value head on two of four ranks, with biases", "llama2-gqa", 4, """{"num_attention_heads": 8, "num_key_value_heads": 2, "attention_bias": true}"""),
        new("three ranks share one key/value head", "qwen2", 3, """{"num_attention_heads": 6, "num_key_value_heads": 1, "hidden_size": 48, "intermediate_size": 96, "vocab_size": 361}"""),
        new("tied, vocabulary not divisible", "llama", 4, """{"tie_word_embeddings": true, "vocab_size": 337}"""),
        new("biases of MLP and attention", "llama", 2, """{"attention_bias": true, "mlp_bias": true}"""),
        new("multi-query groups and fused sections on three ranks", "chatglm2", 3, """{"num_attention_heads": 6, "multi_query_group_num": 3, "hidden_size": 48, "kv_channels": 8, "ffn_hidden_size": 99, "padded_vocab_size": 350}"""),
        new("multi-query groups on more ranks than groups", "chatglm2", 4, """{"num_attention_heads": 8, "kv_channels": 8, "padded_vocab_size": 351}"""),
        new("only biases trained, on more ranks than groups", "chatglm2", 4, """{"padded_vocab_size": 351}""") { TrainsBiasesOnly = true },
        new("residual behind the norm", "chatglm2", 2, """{"apply_residual_connection_post_layernorm": true, "post_layer_norm": false}"""),
        new("fused per head, two-dimensional rotary, three ranks", "chatglm", 3, """{"num_attention_heads": 6, "hidden_size": 48, "inner_hidden_size": 99, "vocab_size": 337}"""),
        new("ALiBi slopes of six heads", "bloom", 3, """{"num_attention_heads": 6, "n_head": 6, "n_embed": 48, "hidden_size": 48, "vocab_size": 337}"""),
        new("residual behind the norm", "bloom", 4, """{"apply_residual_connection_post_layernorm": true, "vocab_size": 341}"""),
        new("ALiBi slopes of six heads", "baichuan-13b", 3, """{"num_attention_heads": 6, "hidden_size": 48, "intermediate_size": 99, "vocab_size": 311}"""),
        new("NormHead over an uneven vocabulary", "baichuan2-7b", 4, """{"vocab_size": 317}"""),
        new("projections, three ranks", "opt-postln", 3, """{"num_attention_heads": 6, "hidden_size": 48, "vocab_size": 349}"""),
        new("a head of its own", "gpt", 2, """{"tie_word_embeddings": false, "vocab_size": 341}"""),
        new("biases of every linear", "qwen", 2, """{"no_bias": false}"""),
        new("no biases", "chatglm2", 2, """{"add_qkv_bias": false}"""),
        new("a head of its own", "opt", 2, """{"tie_word_embeddings": false, "vocab_size": 341}"""),
    ];

    /// <param name="Name">What is special.</param>
    /// <param name="Folder">The recorded checkpoint whose config is changed.</param>
    /// <param name="Ranks">Number of ranks.</param>
    /// <param name="Changes">Keys of config.json and their values.</param>
    internal sealed record Variant(string Name, string Folder, int Ranks, string Changes)
    {
        internal ConfigReader Config(string fixtures)
        {
            var file = Path.Combine(fixtures, Folder, ConfigReader.FileName);
            var config = JsonNode.Parse(File.ReadAllText(file))!.AsObject();
            foreach (var (key, value) in JsonNode.Parse(Changes)!.AsObject())
                config[key] = value!.DeepClone();
            return ConfigReader.Parse(System.Text.Encoding.UTF8.GetBytes(config.ToJsonString()), file);
        }

        /// <summary>Whether only biases are trained, and all other weights frozen.</summary>
        internal bool TrainsBiasesOnly { get; init; }

        /// <inheritdoc/>
        public override string ToString() => $"{Folder}, {Name}, {Ranks} ranks";
    }
}
