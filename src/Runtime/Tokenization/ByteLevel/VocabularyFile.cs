using System.Text.Json;

namespace Generated.Tokenization.ByteLevel;

/// <summary>A vocabulary as an object of tokens and ids (vocab.json).</summary>
internal static class VocabularyFile
{
    /// <summary>Ids beyond this are taken for damage: no vocabulary comes near it, and tables are as large as the largest id.</summary>
    public const int LargestId = (1 << 24) - 1;

    /// <summary>Reads vocab.json.</summary>
    public static Dictionary<string, int> Read(JsonElement root, string name)
    {
        if (root.ValueKind != JsonValueKind.Object)
            throw new InvalidInputException($"{name} is not an object of tokens and ids.");
        var idOf = new Dictionary<string, int>();
        foreach (var entry in root.EnumerateObject())
        {
            if (entry.Value.ValueKind != JsonValueKind.Number || !entry.Value.TryGetInt32(out int id) || id < 0)
                throw new InvalidInputException($"{name}: the token \"{entry.Name}\" has no valid id.");
            idOf[entry.Name] = id;
        }
        return idOf;
    }

    /// <summary>The tokens by id; null where an id is not used.</summary>
    /// <exception cref="InvalidInputException">An id is there twice or absurdly large.</exception>
    public static string?[] ById(Dictionary<string, int> idOf, string name)
    {
        if (idOf.Count == 0)
            throw new InvalidInputException($"{name} has no tokens.");
        int largest = idOf.Values.Max();
        if (largest > LargestId)
            throw new InvalidInputException($"{name}: the id {largest} is out of range.");
        var tokens = new string?[largest + 1];
        foreach (var (token, id) in idOf)
        {
            if (tokens[id] is { } other)
                throw new InvalidInputException($"{name}: the tokens \"{other}\" and \"{token}\" have the same id {id}.");
            tokens[id] = token;
        }
        return tokens;
    }
}
