using System.Globalization;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace Generated.Checkpoints.Writing;

/// <summary>Which tensor goes into which file: in order, a new file whenever the next tensor would exceed the limit.</summary>
internal static class ShardPlan
{
    /// <summary>The tensors of one file.</summary>
    public sealed record Shard(string FileName, IReadOnlyList<TensorInfo> Tensors);

    /// <param name="tensors">All tensors, in order.</param>
    /// <param name="largest">Most tensor bytes of a file; a larger tensor gets a file of its own.</param>
    /// <param name="stem">Such as <c>model</c>.</param>
    /// <param name="extension">Such as <c>.safetensors</c>.</param>
    public static IReadOnlyList<Shard> Cut(IEnumerable<TensorInfo> tensors, long largest, string stem, string extension)
    {
        var groups = new List<List<TensorInfo>> { new() };
        long size = 0;
        foreach (var tensor in tensors)
        {
            if (groups[^1].Count > 0 && tensor.ByteCount > largest - size)
            {
                groups.Add([]);
                size = 0;
            }

            groups[^1].Add(tensor);
            size += tensor.ByteCount;
        }

        return groups.Count == 1
            ? [new Shard(stem + extension, groups[0])]
            : [.. groups.Select((group, i) => new Shard(Name(stem, i + 1, groups.Count, extension), group))];
    }

    /// <summary>The index as transformers writes it: total bytes, and the file of each tensor by name.</summary>
    public static byte[] Index(IReadOnlyList<Shard> shards)
    {
        using var json = new MemoryStream();
        var options = new JsonWriterOptions { Indented = true, NewLine = "\n", Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };
        using (var writer = new Utf8JsonWriter(json, options))
        {
            writer.WriteStartObject();
            writer.WriteStartObject("metadata"u8);
            writer.WriteNumber("total_size"u8, shards.Sum(shard => shard.Tensors.Sum(tensor => tensor.ByteCount)));
            writer.WriteEndObject();
            writer.WriteStartObject("weight_map"u8);
            var files = shards.SelectMany(shard => shard.Tensors.Select(tensor => (tensor.Name, shard.FileName)));
            foreach (var (name, file) in files.OrderBy(entry => entry.Name, StringComparer.Ordinal))
                writer.WriteString(name, file);
            writer.WriteEndObject();
            writer.WriteEndObject();
        }

        json.WriteByte((byte)'\n');
        return json.ToArray();
    }

    private static string Name(string stem, int number, int count, string extension) =>
        string.Create(CultureInfo.InvariantCulture, $"{stem}-{number:00000}-of-{count:00000}{extension}");
}
