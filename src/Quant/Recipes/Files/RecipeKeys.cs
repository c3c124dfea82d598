using System.Text.Json;
using Generated.Quant.Recipes.Rules;

namespace Generated.Quant.Recipes.Files;

/// <summary>Reads values of recipe files by the schema: a wrong type or range is refused with the key.</summary>
internal sealed class RecipeKeys(string file)
{
    public InvalidInputException Refuse(string key, string what) => new($"{file}: '{key}' {what}{(what.EndsWith('?') ? "" : ".")}");

    /// <summary>Reads an option's value; <paramref name="key"/> is what the file calls it.</summary>
    public object Value(RecipeOption option, string key, JsonElement value)
    {
        var read = Read(option, value) ?? throw Refuse(key, $"is {value.GetRawText()}; it must be {Allowed(option)}");
        return option.Allows(read) ? read : throw Refuse(key, $"is {value.GetRawText()}; it must be {Allowed(option)}");
    }

    public bool Flag(string key, JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.True => true,
        JsonValueKind.False => false,
        _ => throw Refuse(key, $"is {value.GetRawText()}; it must be true or false"),
    };

    public string Text(string key, JsonElement value) => value.ValueKind == JsonValueKind.String
        ? value.GetString()!
        : throw Refuse(key, $"is {value.GetRawText()}; it must be a string");

    public IReadOnlyList<string> Texts(string key, JsonElement value) => value.ValueKind == JsonValueKind.Array
        ? [.. value.EnumerateArray().Select((e, i) => Text($"{key}[{i}]", e))]
        : throw Refuse(key, $"is {value.GetRawText()}; it must be a list of strings");

    /// <summary>The values that an option may have, as files write them.</summary>
    public static string Allowed(RecipeOption option) => option.Type.IsEnum
        ? string.Join(" or ", Members(option).Select(m => $"\"{RecipeSchema.Key(m.ToString()!)}\""))
        : option.Allowed;

    private static IEnumerable<object> Members(RecipeOption option) => Enum.GetValues(option.Type).Cast<object>().Where(option.Allows);

    private static object? Read(RecipeOption option, JsonElement value)
    {
        if (option.Type == typeof(int))
            return value.ValueKind == JsonValueKind.Number && value.TryGetInt32(out var whole) ? whole : null;
        if (option.Type == typeof(double))
            return value.ValueKind == JsonValueKind.Number && value.TryGetDouble(out var real) ? real : null;
        if (option.Type == typeof(bool))
            return value.ValueKind is JsonValueKind.True or JsonValueKind.False ? value.GetBoolean() : null;
        return value.ValueKind == JsonValueKind.String
            ? Members(option).FirstOrDefault(m => RecipeSchema.Key(m.ToString()!) == value.GetString())
            : null;
    }
}
