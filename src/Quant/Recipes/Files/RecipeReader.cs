using System.Text.Json;
using Generated.Generators.Parsing;
using Generated.Quant.Recipes.Rules;

namespace Generated.Quant.Recipes.Files;

/// <summary>
/// Reads a recipe from a JSON object. Keys are the recipe's own (<c>smooth.alpha_min</c>) or PaddleSlim's and PaddleNLP's
/// (<c>search_alpha_min</c>); what is neither is refused with the nearest key.
/// </summary>
/// <param name="file">What messages call the file.</param>
/// <param name="note">Told what it says without effect.</param>
/// <param name="isEdited">Whether own keys are those of a recipe that a key of Paddle's is to change, and may say what it says.</param>
internal sealed class RecipeReader(string file, Action<string>? note, bool isEdited = false)
{
    private const string Name = "name", Keep = "keep", Overrides = "overrides", Layer = "layer";

    private readonly RecipeKeys _keys = new(file);
    private readonly HashSet<string> _said = new(StringComparer.Ordinal);

    public QuantRecipe Read(JsonElement root)
    {
        RefuseRepeated(root, "");
        var paddle = new PaddleKeys(_keys, note);
        var recipe = new QuantRecipe();
        foreach (var property in root.EnumerateObject())
        {
            if (PaddleKeys.Knows(property.Name) || (PaddleKeys.Shares(property.Name) && property.Value.ValueKind is JsonValueKind.True or JsonValueKind.False))
                paddle.Add(property.Name, property.Value);
            else if (property.Name != Overrides)
                recipe = Own(recipe, property);
        }

        if (!isEdited)
            paddle.RefuseTwice(_said);
        recipe = paddle.Apply(recipe);
        // Overrides start from the recipe's formats, which may stand behind them in the file.
        return root.TryGetProperty(Overrides, out var overrides) ? recipe with { Overrides = ReadOverrides(recipe, overrides) } : recipe;
    }

    private QuantRecipe Own(QuantRecipe recipe, JsonProperty property)
    {
        var (key, value) = (property.Name, property.Value);
        _said.Add(key);
        if (key == Name)
            return recipe with { Name = _keys.Text(key, value) };
        if (key == Keep)
            return recipe with { Keep = _keys.Texts(key, value) };
        if (RecipeSchema.Own.FirstOrDefault(o => RecipeSchema.Key(o.Name) == key) is { } option)
            return (QuantRecipe)option.With(recipe, _keys.Value(option, key, value));
        if (RecipeSchema.Sections.FirstOrDefault(s => RecipeSchema.Key(s.Name) == key) is { } section)
            return section.With(recipe, Section(key, value, section.Create(), section.Options));
        throw Unknown("", key, [.. RecipeSchema.Sections.Select(s => s.Name).Concat(RecipeSchema.Own.Select(o => o.Name)).Select(RecipeSchema.Key), Name, Keep, Overrides, .. PaddleKeys.All]);
    }

    /// <summary>An object of options; null for a section that is not there.</summary>
    private object? Section(string key, JsonElement value, object start, IReadOnlyList<RecipeOption> options)
    {
        if (value.ValueKind is JsonValueKind.Null)
            return null;
        if (value.ValueKind != JsonValueKind.Object)
            throw _keys.Refuse(key, $"is {value.GetRawText()}; it must be an object of options");
        RefuseRepeated(value, key + ".");
        var section = start;
        foreach (var property in value.EnumerateObject())
        {
            var option = options.FirstOrDefault(o => RecipeSchema.Key(o.Name) == property.Name)
                ?? throw Unknown(key + ".", property.Name, [.. options.Select(o => RecipeSchema.Key(o.Name))]);
            _said.Add($"{key}.{property.Name}");
            section = option.With(section, _keys.Value(option, $"{key}.{property.Name}", property.Value));
        }

        return section;
    }

    private List<LayerOverride> ReadOverrides(QuantRecipe recipe, JsonElement value)
    {
        if (value.ValueKind != JsonValueKind.Array)
            throw _keys.Refuse(Overrides, $"is {value.GetRawText()}; it must be a list of objects");
        return [.. value.EnumerateArray().Select((element, i) => Override(recipe, $"{Overrides}[{i}]", element))];
    }

    private LayerOverride Override(QuantRecipe recipe, string key, JsonElement value)
    {
        if (value.ValueKind != JsonValueKind.Object || !value.TryGetProperty(Layer, out var layer))
            throw _keys.Refuse(key, $"must be an object with the key '{Layer}'");
        RefuseRepeated(value, key + ".");
        var read = new LayerOverride(_keys.Text($"{key}.{Layer}", layer));
        foreach (var property in value.EnumerateObject())
        {
            var inner = $"{key}.{property.Name}";
            read = property.Name switch
            {
                Layer => read,
                Keep => read with { Keep = _keys.Flag(inner, property.Value) },
                "weights" => read with { Weights = (WeightFormat?)Section(inner, property.Value, recipe.Weights ?? new(), RecipeSchema.Weights) },
                "activations" => read with { Activations = (ActivationFormat?)Section(inner, property.Value, recipe.Activations ?? new(), RecipeSchema.Activations) },
                _ => throw Unknown(key + ".", property.Name, [Layer, "weights", "activations", Keep]),
            };
        }

        return read;
    }

    private void RefuseRepeated(JsonElement value, string prefix)
    {
        var seen = new HashSet<string>(StringComparer.Ordinal);
        foreach (var property in value.EnumerateObject())
            if (!seen.Add(property.Name))
                throw _keys.Refuse(prefix + property.Name, "is said twice");
    }

    private InvalidInputException Unknown(string prefix, string key, IReadOnlyList<string> known) => _keys.Refuse(
        prefix + key,
        Nearest.To(key, known) is { } near ? $"is not known; did you mean '{prefix}{near}'?" : $"is not known; there are {string.Join(", ", known.Take(40))}");
}
