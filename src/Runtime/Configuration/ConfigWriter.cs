using System.Globalization;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using Generated.Checkpoints.Writing;

namespace Generated.Configuration;

/// <summary>
/// Writes a <c>config.json</c>: keys appear in the order in which they are set; with a source, its keys come first, in their
/// order, and those that nobody sets stay as they are. A value equal to the source's keeps the source's spelling (<c>1e-06</c>).
/// </summary>
public sealed class ConfigWriter
{
    private static readonly JsonSerializerOptions Indented = new()
    {
        WriteIndented = true,
        NewLine = "\n",
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    private readonly JsonObject _root;

    /// <summary>Starts an empty config.</summary>
    public ConfigWriter() : this(new JsonObject())
    {
    }

    /// <summary>Starts from another config, whose keys are kept.</summary>
    public ConfigWriter(ConfigReader source)
        : this(JsonObject.Create((source ?? throw new ArgumentNullException(nameof(source))).Root.Clone())!)
    {
    }

    /// <summary>Starts from another config's keys.</summary>
    internal ConfigWriter(JsonObject root) => _root = root;

    /// <summary>Whether PaddleNLP's keys are written; Hugging Face's otherwise.</summary>
    public bool IsPaddle { get; init; }

    /// <summary>
    /// Whether a key that the source lacks stays absent where it would say what its absence means: the source is of the same
    /// kind, so that its reader agrees.
    /// </summary>
    public bool KeepsAbsent { get; init; }

    /// <summary>Whether the source's keys are of the other kind, so that a property's other names go.</summary>
    internal bool Replaces { get; init; }

    /// <summary>The JSON of a key's value; null where it is absent.</summary>
    internal string? Value(string key) => _root[key]?.ToJsonString();

    /// <summary>The keys so far.</summary>
    internal IEnumerable<string> Keys => _root.Select(pair => pair.Key);

    /// <summary>The name to write a property under: Paddle's, or the first of Hugging Face's names that is there already.</summary>
    /// <param name="paddle">Paddle's name.</param>
    /// <param name="names">Hugging Face's names, in order of preference.</param>
    public string Key(string paddle, params ReadOnlySpan<string> names)
    {
        var chosen = IsPaddle ? paddle : names[0];
        foreach (var name in names)
        {
            if (!IsPaddle && Has(name))
            {
                chosen = name;
                break;
            }
        }

        foreach (var name in Replaces ? [paddle, .. names] : ReadOnlySpan<string>.Empty)
        {
            if (name != chosen)
                Remove(name);
        }

        return chosen;
    }

    /// <summary>Whether a key stays absent.</summary>
    /// <param name="key">The key.</param>
    /// <param name="isDefault">Whether its absence means the value that would be written.</param>
    public bool Leaves(string key, bool isDefault) => KeepsAbsent && isDefault && !Has(key);


    /// <summary>Sets a whole number. A dotted key reaches into objects, which are made where they are absent.</summary>
    public void Set(string key, long value) => Put(key, value.ToString(CultureInfo.InvariantCulture));

    /// <summary>Sets a number, in the shortest form that reads back equal.</summary>
    /// <exception cref="ArgumentException">The value is not finite.</exception>
    public void Set(string key, double value)
    {
        if (!double.IsFinite(value))
            throw new ArgumentException($"'{key}' is {value}, which JSON cannot hold.", nameof(value));
        var text = value.ToString("R", CultureInfo.InvariantCulture).Replace('E', 'e');
        Put(key, text.AsSpan().IndexOfAny('.', 'e') < 0 ? text + ".0" : text);
    }

    /// <summary>Sets <c>true</c> or <c>false</c>.</summary>
    public void Set(string key, bool value) => Put(key, value ? "true" : "false");

    /// <summary>Sets a text; null removes the key.</summary>
    public void Set(string key, string? value)
    {
        if (value is null)
            Remove(key);
        else
            Put(key, JsonSerializer.Serialize(value, Indented));
    }

    /// <summary>Sets a list of whole numbers.</summary>
    public void Set(string key, IEnumerable<int> values) =>
        Put(key, "[" + string.Join(',', values.Select(v => v.ToString(CultureInfo.InvariantCulture))) + "]");

    /// <summary>Sets a list of texts.</summary>
    public void Set(string key, IEnumerable<string> values) => Put(key, JsonSerializer.Serialize(values.ToArray(), Indented));

    /// <summary>Sets an object.</summary>
    public void Set(string key, JsonObject value)
    {
        var (parent, name) = Parent(key);
        parent[name] = value;
    }

    /// <summary>A writer for the object under <paramref name="key"/>, which is made where it is absent.</summary>
    public ConfigWriter Object(string key)
    {
        var (parent, name) = Parent(key);
        if (parent[name] is not JsonObject inner)
            parent[name] = inner = [];
        return new ConfigWriter(inner);
    }

    /// <summary>Removes a key, if it is there.</summary>
    public void Remove(string key)
    {
        var (parent, name) = Parent(key);
        parent.Remove(name);
    }

    /// <summary>The config as JSON text: two spaces of indentation, line feeds, one at the end.</summary>
    public string ToJson() => _root.ToJsonString(Indented) + "\n";

    /// <summary>Writes the config to a file, whole or not at all.</summary>
    /// <exception cref="GeneratedException">The file cannot be written.</exception>
    public void Save(string path) => AtomicFile.WriteAllBytes(path, System.Text.Encoding.UTF8.GetBytes(ToJson()));

    private bool Has(string key)
    {
        JsonNode? node = _root;
        foreach (var part in key.Split('.'))
            node = (node as JsonObject)?[part];
        return node is not null;
    }

    private void Put(string key, string json)
    {
        var (parent, name) = Parent(key);
        var value = JsonNode.Parse(json);
        if (parent.ContainsKey(name) && IsEqual(parent[name], value))
            return;
        parent[name] = value;
    }

    private (JsonObject Parent, string Name) Parent(string key)
    {
        var parts = key.Split('.');
        var parent = _root;
        foreach (var part in parts.AsSpan(0, parts.Length - 1))
        {
            if (parent[part] is not JsonObject inner)
                parent[part] = inner = [];
            parent = inner;
        }

        return (parent, parts[^1]);
    }

    /// <summary>Equal as values: 1e-6 and 0.000001, 10000 and 10000.0.</summary>
    private static bool IsEqual(JsonNode? left, JsonNode? right)
    {
        if (left?.GetValueKind() != JsonValueKind.Number || right?.GetValueKind() != JsonValueKind.Number)
            return JsonNode.DeepEquals(left, right);
        var (a, b) = (left.ToJsonString(), right.ToJsonString());
        return long.TryParse(a, CultureInfo.InvariantCulture, out var x) && long.TryParse(b, CultureInfo.InvariantCulture, out var y)
            ? x == y
            : double.Parse(a, CultureInfo.InvariantCulture) == double.Parse(b, CultureInfo.InvariantCulture);
    }
}
