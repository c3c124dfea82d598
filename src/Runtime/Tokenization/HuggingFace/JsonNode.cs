using System.Text.Json;

namespace Generated.Tokenization.HuggingFace;

/// <summary>A value of tokenizer.json that knows its path, so that whatever is wrong with it can be named.</summary>
internal readonly struct JsonNode(JsonElement element, string path)
{
    public JsonElement Element => element;

    /// <summary>Where the value stands, beginning with the file's name.</summary>
    public string Path => path;

    public bool IsNull => element.ValueKind is JsonValueKind.Null or JsonValueKind.Undefined;

    /// <summary>A member; <see cref="IsNull"/> if it is absent.</summary>
    public JsonNode this[string key]
        => new(Expect(JsonValueKind.Object).TryGetProperty(key, out var value) ? value : default, $"{path}.{key}");

    public string Text => Expect(JsonValueKind.String).GetString()!;

    /// <summary>The member "type" of a component.</summary>
    public string Type => this["type"].Text;

    public int Number => Expect(JsonValueKind.Number).TryGetInt32(out int value) ? value : throw Wrong("a whole number");

    public IEnumerable<JsonNode> Items
    {
        get
        {
            int index = 0;
            foreach (var item in Expect(JsonValueKind.Array).EnumerateArray())
                yield return new JsonNode(item, $"{path}[{index++}]");
        }
    }

    /// <summary>The components of a "Sequence" flattened under one name, or this one alone; none for null.</summary>
    public IEnumerable<JsonNode> Flatten(string listKey)
    {
        if (IsNull)
            return [];
        return Type == "Sequence" ? this[listKey].Items.SelectMany(item => item.Flatten(listKey)) : [this];
    }

    public string TextOr(string fallback) => IsNull ? fallback : Text;

    public bool FlagOr(bool fallback) => element.ValueKind switch
    {
        JsonValueKind.True => true,
        JsonValueKind.False => false,
        JsonValueKind.Null or JsonValueKind.Undefined => fallback,
        _ => throw Wrong("true or false"),
    };

    /// <summary>The error for a component that is not supported.</summary>
    public InvalidInputException Unsupported(string what) => new($"{path}: {what} is not supported.");

    public InvalidInputException Wrong(string expected) => new($"{path}: expected {expected}, found {(IsNull ? "nothing" : element.ValueKind)}.");

    private JsonElement Expect(JsonValueKind kind) => element.ValueKind == kind ? element : throw Wrong(kind.ToString().ToLowerInvariant());
}
