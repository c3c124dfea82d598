using System.Text.Json;
using System.Text.Json.Nodes;
using Generated.Architectures;

namespace Generated.Cli.Inspection;

/// <summary>Writes what is known of a model as JSON.</summary>
internal static class FactsJson
{
    public static void Write(Utf8JsonWriter json, ModelFacts facts, int ranks)
    {
        json.WriteString("name", facts.Name);
        json.WriteString("architecture", facts.Architecture.Name);
        json.WriteString("model_type", facts.Architecture.ModelType);
        json.WriteNumber("parameters", facts.Parameters);
        json.WriteNumber("blocks", facts.Blocks);
        json.WriteStartObject("bytes");
        foreach (var (name, bytes) in FactsTables.Types)
            json.WriteNumber(name, (long)(facts.Parameters * bytes));
        json.WriteEndObject();
        json.WriteNumber("kv_cache_values_per_token", facts.CacheValuesPerToken);
        json.WritePropertyName("config");
        JsonNode.Parse(facts.ConfigJson.ToJson())!.WriteTo(json);
        if (facts.Weights is { } weights)
            json.WriteString("checkpoint", weights);
        Names(json, "unknown_keys", facts.UnknownKeys);
        json.WriteStartArray("norm_groups");
        foreach (var group in facts.Structure.NormGroups)
        {
            json.WriteStartObject();
            json.WriteString("norm", group.Norm);
            Names(json, "linears", group.Linears);
            json.WriteBoolean("foldable", group.IsFoldable);
            json.WriteBoolean("post_norm_shortcut", group.IsShortcut);
            json.WriteString("reason", group.Reason);
            json.WriteEndObject();
        }

        json.WriteEndArray();
        json.WriteStartArray("linears");
        foreach (var linear in facts.Structure.Linears)
        {
            json.WriteStartObject();
            json.WriteString("path", linear.Path);
            json.WriteString("name", linear.Name);
            json.WriteString("site", linear.Site);
            json.WriteNumber("input", linear.Input);
            json.WriteNumber("output", linear.Output);
            json.WriteBoolean("bias", linear.HasBias);
            json.WriteString("tied_to", linear.TiedTo);
            json.WriteString("partition", linear.Partition.ToString().ToLowerInvariant());
            json.WriteEndObject();
        }

        json.WriteEndArray();
        json.WriteStartArray("fused");
        foreach (var group in facts.Structure.FusedGroups)
        {
            json.WriteStartArray();
            foreach (var path in group.Linears)
                json.WriteStringValue(path);
            json.WriteEndArray();
        }

        json.WriteEndArray();
        json.WriteStartArray("scale_pairs");
        foreach (var pair in facts.Structure.ScalePairs)
        {
            json.WriteStartObject();
            json.WriteString("source", pair.Source);
            if (pair.Section is { } section)
                json.WriteNumber("section", section.Index);
            Names(json, "targets", pair.Targets);
            json.WriteString("through", pair.Kind == ScalePairKind.Value ? "attention" : "mlp");
            json.WriteEndObject();
        }

        json.WriteEndArray();
        json.WriteStartArray("exchanges");
        foreach (var exchange in facts.Structure.Exchanges)
        {
            json.WriteStartObject();
            json.WriteString("after", exchange.Path);
            json.WriteString("kind", exchange.Kind == ExchangeKind.Sum ? "sum" : "gather");
            json.WriteEndObject();
        }

        json.WriteEndArray();
        if (facts.Structure.SequenceObstacle is { } obstacle)
            json.WriteString("sequence_obstacle", obstacle);
        json.WriteStartArray("sequence_exchanges");
        foreach (var exchange in facts.Structure.SequenceExchanges)
        {
            json.WriteStartObject();
            json.WriteString("layer", exchange.Path);
            json.WriteString("kind", FactsTables.Words(exchange.Kind));
            json.WriteEndObject();
        }

        json.WriteEndArray();
        if (ranks > 1)
            WriteSplits(json, facts, ranks);
    }

    private static void WriteSplits(Utf8JsonWriter json, ModelFacts facts, int ranks)
    {
        var (parts, parameters) = RankShapes.Of(facts.Architecture, facts.Config, ranks);
        json.WriteStartObject("rank");
        json.WriteNumber("ranks", ranks);
        json.WriteNumber("parameters", parameters);
        json.WriteStartObject("shapes");
        foreach (var part in parts)
        {
            json.WriteStartArray(part.Name);
            foreach (var size in part.Local)
                json.WriteNumberValue(size);
            json.WriteEndArray();
        }

        json.WriteEndObject();
        json.WriteEndObject();
    }

    private static void Names(Utf8JsonWriter json, string key, IEnumerable<string> names)
    {
        json.WriteStartArray(key);
        foreach (var name in names)
            json.WriteStringValue(name);
        json.WriteEndArray();
    }
}
