using System.Text.Json;

namespace Generated.Checkpoints;

/// <summary>
/// <c>model.safetensors.index.json</c> and its kin: which file of the folder holds which tensor.
/// Files are named, never given by path: an index cannot reach outside its folder.
/// </summary>
internal sealed class ShardIndex
{
    private const long LargestIndex = 100_000_000;
    private const int DeepestJson = 16;

    private ShardIndex(string path, IReadOnlyDictionary<string, string> files) => (Path, Files) = (path, files);

    public string Path { get; }

    /// <summary>File name by tensor name, in the order of the index.</summary>
    public IReadOnlyDictionary<string, string> Files { get; }

    /// <exception cref="InvalidInputException">The index is missing, damaged or names a file outside the folder.</exception>
    public static ShardIndex Load(string path)
    {
        byte[] json;
        try
        {
            var length = new FileInfo(path).Length;
            if (length > LargestIndex)
                throw new InvalidInputException($"{path} has {length} bytes, which no index has.");
            json = File.ReadAllBytes(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new InvalidInputException($"{path} cannot be read: {e.Message}", e);
        }

        return Parse(path, json);
    }

    public static ShardIndex Parse(string path, ReadOnlySpan<byte> json)
    {
        try
        {
            return new ShardIndex(path, WeightMap(path, json));
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            throw new InvalidInputException($"{path} is not a valid index: {e.Message}", e);
        }
    }

    private static OrderedDictionary<string, string> WeightMap(string path, ReadOnlySpan<byte> json)
    {
        if (json.StartsWith("\uFEFF"u8))
            json = json[3..];
        var reader = new Utf8JsonReader(json, new JsonReaderOptions { MaxDepth = DeepestJson });
        OrderedDictionary<string, string>? files = null;
        reader.Read();
        if (reader.TokenType != JsonTokenType.StartObject)
            throw new InvalidInputException($"{path} is not a valid index: it is not a JSON object.");
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            var isMap = reader.ValueTextEquals("weight_map"u8);
            reader.Read();
            if (!isMap)
            {
                reader.Skip();
                continue;
            }

            if (files is not null || reader.TokenType != JsonTokenType.StartObject)
                throw new InvalidInputException($"{path} is not a valid index: 'weight_map' has to be one object.");
            files = ReadMap(ref reader, path);
        }

        reader.Read();
        if (files is not { Count: > 0 })
            throw new InvalidInputException($"{path} is not a valid index: it has no 'weight_map' with tensors.");
        return files;
    }

    private static OrderedDictionary<string, string> ReadMap(ref Utf8JsonReader reader, string path)
    {
        var files = new OrderedDictionary<string, string>(StringComparer.Ordinal);
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            var tensor = reader.GetString()!;
            reader.Read();
            var file = reader.GetString() ?? "";
            if (!IsPlainName(file))
            {
                throw new InvalidInputException(
                    $"{path} places tensor {Describe.Name(tensor)} in {Describe.Name(file)}, which is not the name of a file in the same folder.");
            }

            if (!files.TryAdd(tensor, file))
                throw new InvalidInputException($"{path} names tensor {Describe.Name(tensor)} twice.");
        }

        return files;
    }

    private static bool IsPlainName(string file) =>
        file.Length is > 0 and <= 255 && file is not ("." or "..") && !file.AsSpan().ContainsAny("/\\:\0") && !file.Any(char.IsControl);
}
