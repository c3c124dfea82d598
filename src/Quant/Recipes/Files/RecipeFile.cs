using System.Buffers;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Generated.Quant.Recipes.Rules;

namespace Generated.Quant.Recipes.Files;

/// <summary>Recipes as JSON files, and the canonical form that their hash is taken of.</summary>
public static class RecipeFile
{
    private const long LargestFile = 1 << 20;
    private const string Name = "name";

    /// <summary>Reads a recipe. Only its form is checked here; <see cref="RecipeChecks"/> checks it against a model.</summary>
    /// <param name="path">A JSON file; comments and trailing commas are allowed.</param>
    /// <param name="note">Told what the file says without effect, one sentence each.</param>
    /// <exception cref="InvalidInputException">The file cannot be read, or a key is unknown, said twice, of a wrong type or out of range.</exception>
    public static QuantRecipe Load(string path, Action<string>? note = null)
    {
        ArgumentNullException.ThrowIfNull(path);
        byte[] bytes;
        try
        {
            if (new FileInfo(path) is { Exists: true, Length: > LargestFile })
                throw new InvalidInputException($"{path} is larger than a recipe can be.");
            bytes = File.ReadAllBytes(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new InvalidInputException($"The recipe {path} cannot be read: {e.Message}", e);
        }

        var recipe = Parse(bytes, path, note);
        return recipe.Name == new QuantRecipe().Name ? recipe with { Name = Path.GetFileNameWithoutExtension(path) } : recipe;
    }

    /// <summary>Reads a recipe from text.</summary>
    /// <param name="json">UTF-8.</param>
    /// <param name="location">What messages call the text.</param>
    /// <param name="note">Told what the text says without effect.</param>
    /// <exception cref="InvalidInputException">The text is no recipe.</exception>
    public static QuantRecipe Parse(ReadOnlyMemory<byte> json, string location = "recipe", Action<string>? note = null) => Parse(json, location, note, isEdited: false);

    /// <summary>Reads a recipe in which a key of Paddle's may change what own keys say.</summary>
    internal static QuantRecipe Parse(ReadOnlyMemory<byte> json, string location, Action<string>? note, bool isEdited)
    {
        if (json.Span.StartsWith("\uFEFF"u8))
            json = json[3..];
        try
        {
            using var document = JsonDocument.Parse(json, new JsonDocumentOptions { CommentHandling = JsonCommentHandling.Skip, AllowTrailingCommas = true });
            return document.RootElement.ValueKind == JsonValueKind.Object
                ? new RecipeReader(location, note, isEdited).Read(document.RootElement)
                : throw new InvalidInputException($"{location} is no recipe: it must be a JSON object.");
        }
        catch (JsonException e)
        {
            throw new InvalidInputException($"{location} is no JSON: {e.Message}", e);
        }
        catch (InvalidOperationException e)
        {
            throw new InvalidInputException($"{location} has text that is not Unicode: {e.Message}", e);
        }
    }

    /// <summary>Writes a recipe with every option of what it has, so that it means the same whatever later defaults are.</summary>
    /// <param name="path">The file; one that exists is replaced as a whole.</param>
    /// <param name="recipe">The recipe.</param>
    public static void Write(string path, QuantRecipe recipe)
    {
        ArgumentNullException.ThrowIfNull(path);
        ArgumentNullException.ThrowIfNull(recipe);
        var temporary = $"{path}.{Guid.NewGuid():N}.tmp";
        try
        {
            File.WriteAllBytes(temporary, [.. Named(recipe), (byte)'\n']);
            File.Move(temporary, path, overwrite: true);
        }
        finally
        {
            File.Delete(temporary);
        }
    }

    /// <summary>A recipe as <see cref="Write"/> writes it.</summary>
    internal static string Text(QuantRecipe recipe) => Encoding.UTF8.GetString(Bytes(recipe, withName: true, indented: true));

    /// <summary>
    /// The canonical form: compact UTF-8 JSON of fixed order with every option of what the recipe has, and without its name, which changes
    /// nothing in the result.
    /// </summary>
    public static byte[] Canonical(QuantRecipe recipe)
    {
        ArgumentNullException.ThrowIfNull(recipe);
        return Bytes(recipe, withName: false, indented: false);
    }

    /// <summary>SHA-256 of the <see cref="Canonical"/> form, in lower-case hexadecimal: equal for recipes that do the same.</summary>
    public static string Hash(QuantRecipe recipe) => Convert.ToHexStringLower(SHA256.HashData(Canonical(recipe)));

    /// <summary>As it is written to a file.</summary>
    internal static byte[] Named(QuantRecipe recipe) => Bytes(recipe, withName: true, indented: true);

    private static byte[] Bytes(QuantRecipe recipe, bool withName, bool indented)
    {
        var buffer = new ArrayBufferWriter<byte>();
        using (var json = new Utf8JsonWriter(buffer, new JsonWriterOptions { Indented = indented, NewLine = "\n" }))
            Recipe(json, recipe, withName);
        return buffer.WrittenSpan.ToArray();
    }

    private static void Recipe(Utf8JsonWriter json, QuantRecipe recipe, bool withName)
    {
        json.WriteStartObject();
        if (withName)
            json.WriteString(Name, recipe.Name);
        foreach (var section in RecipeSchema.Sections)
            if (section.Get(recipe) is { } values)
                Section(json, RecipeSchema.Key(section.Name), values, section.Options);
        json.WriteStartArray("keep");
        foreach (var layer in recipe.Keep)
            json.WriteStringValue(layer);
        json.WriteEndArray();
        json.WriteStartArray("overrides");
        foreach (var entry in recipe.Overrides)
            Override(json, entry);
        json.WriteEndArray();
        Options(json, recipe, RecipeSchema.Own);
        json.WriteEndObject();
    }

    private static void Override(Utf8JsonWriter json, LayerOverride entry)
    {
        json.WriteStartObject();
        json.WriteString("layer", entry.Layer);
        if (entry.Weights is { } weights)
            Section(json, "weights", weights, RecipeSchema.Weights);
        if (entry.Activations is { } activations)
            Section(json, "activations", activations, RecipeSchema.Activations);
        json.WriteBoolean("keep", entry.Keep);
        json.WriteEndObject();
    }

    private static void Section(Utf8JsonWriter json, string key, object values, IReadOnlyList<RecipeOption> options)
    {
        json.WriteStartObject(key);
        Options(json, values, options);
        json.WriteEndObject();
    }

    private static void Options(Utf8JsonWriter json, object values, IReadOnlyList<RecipeOption> options)
    {
        foreach (var option in options)
        {
            var key = RecipeSchema.Key(option.Name);
            switch (option.Get(values))
            {
                case int whole:
                    json.WriteNumber(key, whole);
                    break;
                case double real:
                    json.WriteNumber(key, real);
                    break;
                case bool flag:
                    json.WriteBoolean(key, flag);
                    break;
                case var choice:
                    json.WriteString(key, RecipeSchema.Key(choice.ToString()!));
                    break;
            }
        }
    }
}
