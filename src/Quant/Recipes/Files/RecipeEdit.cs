using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Generated.Quant.Recipes.Files;

/// <summary>Changes single options of a recipe by the keys of files, as a command line does.</summary>
public static class RecipeEdit
{
    /// <summary>The recipe with one key set, checked as in a file.</summary>
    /// <param name="recipe">The recipe.</param>
    /// <param name="assignment">
    /// <c>smooth.alpha=0.6</c>, <c>gptq={}</c> for a method with its defaults, <c>smooth=null</c> for none, <c>keep=["Llama.Head"]</c>;
    /// text may go without quotes.
    /// </param>
    /// <exception cref="InvalidInputException">It is no assignment, or the key or its value is not known.</exception>
    public static QuantRecipe Set(QuantRecipe recipe, string assignment)
    {
        ArgumentNullException.ThrowIfNull(recipe);
        ArgumentNullException.ThrowIfNull(assignment);
        var equals = assignment.IndexOf('=', StringComparison.Ordinal);
        if (equals <= 0)
            throw new InvalidInputException($"'{assignment}' sets nothing: write key=value, as smooth.alpha=0.6.");
        var path = assignment[..equals].Split('.');
        var root = JsonNode.Parse(RecipeFile.Named(recipe))!.AsObject();
        var owner = root;
        foreach (var name in path[..^1])
        {
            if (owner[name] is not JsonObject inner)
                owner[name] = inner = [];
            owner = inner;
        }

        owner[path[^1]] = Value(assignment[(equals + 1)..]);
        return RecipeFile.Parse(Encoding.UTF8.GetBytes(root.ToJsonString()), assignment, note: null, isEdited: true);
    }

    private static JsonNode? Value(string text)
    {
        try
        {
            return JsonNode.Parse(text);
        }
        catch (JsonException)
        {
            return JsonValue.Create(text);
        }
    }
}
