using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using Generated.Checkpoints;
using Generated.Loading.Converting;

namespace Generated.Configuration;

/// <summary>
/// Typed reading of a <c>config.json</c>. Every getter takes one or more key names, of which the first that is there counts;
/// a dotted key (<c>text_config.hidden_size</c>) reaches into objects, and <c>null</c> counts as absent. A value that does not
/// fit is refused with the file, the key, what was found and what is expected. Keys nobody asked for are in
/// <see cref="UnknownKeys"/>.
/// </summary>
public sealed class ConfigReader
{
    /// <summary>Name of the file in a checkpoint folder.</summary>
    public const string FileName = "config.json";

    internal const int MostBytes = 16 << 20;

    private static readonly JsonDocumentOptions Options = new() { MaxDepth = 64, AllowDuplicateProperties = false };

    private readonly string _prefix;
    private readonly HashSet<string> _asked = new(StringComparer.Ordinal);

    private ConfigReader(JsonElement root, string location, string prefix = "", bool? isPaddle = null)
    {
        Root = root;
        Location = location;
        _prefix = prefix;
        IsPaddle = isPaddle ?? (root.TryGetProperty("paddlenlp_version", out _) || root.TryGetProperty(ConfigConversion.Kept, out _));
    }

    /// <summary>The file the values come from, for messages.</summary>
    public string Location { get; }

    /// <summary>The JSON object that is read.</summary>
    public JsonElement Root { get; }

    /// <summary>
    /// Whether it is a config of PaddleNLP, in which an absent key may mean something else (<see cref="KeyAttribute.PaddleDefault"/>):
    /// as the layout of the weights beside it says, or where that is not known, its own <c>paddlenlp_version</c>.
    /// </summary>
    public bool IsPaddle { get; }

    /// <summary>Keys of this object that no getter has asked for so far, in the order of the file. For information: they are not errors.</summary>
    public IEnumerable<string> UnknownKeys => Root.EnumerateObject().Select(p => p.Name).Where(name => !_asked.Contains(name));

    /// <summary>Opens the <c>config.json</c> of a checkpoint folder, or a config file itself.</summary>
    /// <param name="path">A folder or a file.</param>
    /// <exception cref="InvalidInputException">There is no such file, or it is no JSON object.</exception>
    public static ConfigReader Load(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        var file = Directory.Exists(path) ? Path.Combine(path, FileName) : path;
        if (!File.Exists(file))
            throw new InvalidInputException(Directory.Exists(path) ? $"{path} has no {FileName}." : $"{path} does not exist.");
        try
        {
            if (new FileInfo(file).Length > MostBytes)
                throw new InvalidInputException($"{file} is larger than {MostBytes >> 20} MB, so it is no model's config.");
            return Parse(File.ReadAllBytes(file), file);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new InvalidInputException($"{file} cannot be read: {e.Message}", e);
        }
    }

    /// <summary>Reads a config from UTF-8 JSON.</summary>
    /// <param name="json">At most 16 MB.</param>
    /// <param name="location">What messages call it.</param>
    /// <exception cref="InvalidInputException">It is no JSON object.</exception>
    public static ConfigReader Parse(ReadOnlyMemory<byte> json, string location)
    {
        if (json.Length > MostBytes)
            throw new InvalidInputException($"{location} is larger than {MostBytes >> 20} MB, so it is no model's config.");
        if (json.Span is [0xEF, 0xBB, 0xBF, ..])
            json = json[3..];
        try
        {
            using var document = JsonDocument.Parse(json, Options);
            var root = document.RootElement;
            if (root.ValueKind != JsonValueKind.Object)
                throw new InvalidInputException($"{location} is no config: it holds {Found(root)} where a JSON object is expected.");
            CheckTexts(root);
            return new ConfigReader(root.Clone(), location);
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            throw new InvalidInputException($"{location} is no valid JSON: {e.Message}", e);
        }
    }

    /// <summary>The same config as the weights beside it say: Paddle's or Hugging Face's.</summary>
    internal ConfigReader From(CheckpointLayout layout) => new(Root, Location, _prefix, layout == CheckpointLayout.Paddle);

    /// <summary>The same config with another value under a key.</summary>
    internal ConfigReader With(string key, string json)
    {
        var root = JsonObject.Create(Root)!;
        root[key] = JsonNode.Parse(json);
        return new ConfigReader(JsonSerializer.SerializeToElement(root), Location, _prefix, IsPaddle);
    }

    /// <summary>Whether one of the keys is there and not <c>null</c>.</summary>
    public bool Has(params ReadOnlySpan<string> keys) => Find(keys, out _) is not null;

    /// <summary>A required whole number; <c>4096.0</c> and <c>4e3</c> are whole numbers too.</summary>
    /// <exception cref="InvalidInputException">No key is there, or its value is no 32-bit whole number.</exception>
    public int Int(params ReadOnlySpan<string> keys)
    {
        var value = Required(keys, "a whole number", out var key);
        return Whole(value) is >= int.MinValue and <= int.MaxValue and var number ? (int)number : throw Wrong(key, value, "a whole number");
    }

    /// <summary>A whole number, or <paramref name="otherwise"/> where no key is there.</summary>
    /// <exception cref="InvalidInputException">The value is no 32-bit whole number.</exception>
    public int IntOr(int otherwise, params ReadOnlySpan<string> keys) => Has(keys) ? Int(keys) : otherwise;

    /// <summary>A required size: a whole number of at least 1.</summary>
    /// <exception cref="InvalidInputException">No key is there, or its value is no positive 32-bit whole number.</exception>
    public int Size(params ReadOnlySpan<string> keys)
    {
        var value = Required(keys, "a positive whole number", out var key);
        return Whole(value) is >= 1 and <= int.MaxValue and var number ? (int)number : throw Wrong(key, value, "a positive whole number");
    }

    /// <summary>A size, or <paramref name="otherwise"/> where no key is there.</summary>
    /// <exception cref="InvalidInputException">The value is no positive 32-bit whole number.</exception>
    public int SizeOr(int otherwise, params ReadOnlySpan<string> keys) => Has(keys) ? Size(keys) : otherwise;

    /// <summary>A required 64-bit whole number.</summary>
    /// <exception cref="InvalidInputException">No key is there, or its value is no 64-bit whole number.</exception>
    public long Long(params ReadOnlySpan<string> keys)
    {
        var value = Required(keys, "a whole number", out var key);
        return Whole(value) ?? throw Wrong(key, value, "a whole number");
    }

    /// <summary>A 64-bit whole number, or <paramref name="otherwise"/> where no key is there.</summary>
    /// <exception cref="InvalidInputException">The value is no 64-bit whole number.</exception>
    public long LongOr(long otherwise, params ReadOnlySpan<string> keys) => Has(keys) ? Long(keys) : otherwise;

    /// <summary>A required finite number. A string that holds a number (<c>"1e-05"</c>, as YAML-born configs have it) is read as one.</summary>
    /// <exception cref="InvalidInputException">No key is there, or its value is no finite number.</exception>
    public double Double(params ReadOnlySpan<string> keys)
    {
        var value = Required(keys, "a number", out var key);
        var found = value.ValueKind switch
        {
            JsonValueKind.Number => value.GetDouble(),
            JsonValueKind.String when double.TryParse(value.GetString(), NumberStyles.Float, CultureInfo.InvariantCulture, out var parsed) => parsed,
            _ => double.NaN,
        };
        return double.IsFinite(found) ? found : throw Wrong(key, value, "a number");
    }

    /// <summary>A number, or <paramref name="otherwise"/> where no key is there.</summary>
    /// <exception cref="InvalidInputException">The value is no finite number.</exception>
    public double DoubleOr(double otherwise, params ReadOnlySpan<string> keys) => Has(keys) ? Double(keys) : otherwise;

    /// <summary>A required <c>true</c> or <c>false</c>.</summary>
    /// <exception cref="InvalidInputException">No key is there, or its value is something else.</exception>
    public bool Bool(params ReadOnlySpan<string> keys)
    {
        var value = Required(keys, "true or false", out var key);
        return value.ValueKind switch
        {
            JsonValueKind.True => true,
            JsonValueKind.False => false,
            _ => throw Wrong(key, value, "true or false"),
        };
    }

    /// <summary><c>true</c> or <c>false</c>, or <paramref name="otherwise"/> where no key is there.</summary>
    /// <exception cref="InvalidInputException">The value is something else.</exception>
    public bool BoolOr(bool otherwise, params ReadOnlySpan<string> keys) => Has(keys) ? Bool(keys) : otherwise;

    /// <summary>A required text.</summary>
    /// <exception cref="InvalidInputException">No key is there, or its value is no text.</exception>
    public string String(params ReadOnlySpan<string> keys)
    {
        var value = Required(keys, "a text", out var key);
        return value.ValueKind == JsonValueKind.String ? value.GetString()! : throw Wrong(key, value, "a text");
    }

    /// <summary>A text, or <paramref name="otherwise"/> where no key is there.</summary>
    /// <exception cref="InvalidInputException">The value is no text.</exception>
    public string? StringOr(string? otherwise, params ReadOnlySpan<string> keys) => Has(keys) ? String(keys) : otherwise;

    /// <summary>Whole numbers: a list, or a single number, which counts as a list of one. Empty where no key is there.</summary>
    /// <exception cref="InvalidInputException">The value is neither.</exception>
    public int[] IntArray(params ReadOnlySpan<string> keys)
    {
        if (Find(keys, out var key) is not { } value)
            return [];
        if (Whole(value) is >= int.MinValue and <= int.MaxValue and var single)
            return [(int)single];
        if (value.ValueKind != JsonValueKind.Array)
            throw Wrong(key, value, "a list of whole numbers");
        return [.. value.EnumerateArray().Select(item =>
            Whole(item) is >= int.MinValue and <= int.MaxValue and var number ? (int)number : throw Wrong(key, item, "a list of whole numbers"))];
    }

    /// <summary>Texts: a list. Empty where no key is there.</summary>
    /// <exception cref="InvalidInputException">The value is no list of texts.</exception>
    public string[] StringArray(params ReadOnlySpan<string> keys)
    {
        if (Find(keys, out var key) is not { } value)
            return [];
        if (value.ValueKind != JsonValueKind.Array)
            throw Wrong(key, value, "a list of texts");
        return [.. value.EnumerateArray().Select(item => item.ValueKind == JsonValueKind.String ? item.GetString()! : throw Wrong(key, item, "a list of texts"))];
    }

    /// <summary>An object, to be read with the same getters, or null where no key is there.</summary>
    /// <exception cref="InvalidInputException">The value is no object.</exception>
    public ConfigReader? Object(params ReadOnlySpan<string> keys)
    {
        if (Find(keys, out var key) is not { } value)
            return null;
        return value.ValueKind == JsonValueKind.Object
            ? new ConfigReader(value, Location, _prefix + key + ".")
            : throw Wrong(key, value, "an object");
    }

    /// <summary>Objects: a list. Empty where no key is there.</summary>
    /// <exception cref="InvalidInputException">The value is no list of objects.</exception>
    public IReadOnlyList<ConfigReader> ObjectArray(params ReadOnlySpan<string> keys)
    {
        if (Find(keys, out var key) is not { } value)
            return [];
        if (value.ValueKind != JsonValueKind.Array)
            throw Wrong(key, value, "a list of objects");
        return [.. value.EnumerateArray().Select((item, i) =>
            item.ValueKind == JsonValueKind.Object ? new ConfigReader(item, Location, $"{_prefix}{key}[{i}].") : throw Wrong(key, item, "a list of objects"))];
    }

    /// <summary>Refuses a config whose values contradict each other or are not supported.</summary>
    /// <param name="condition">What has to be true.</param>
    /// <param name="key">The key to name.</param>
    /// <param name="why">What is wrong and what would be right, continuing "config.json: 'key' ".</param>
    /// <exception cref="InvalidInputException"><paramref name="condition"/> is false.</exception>
    public void Require(bool condition, string key, string why)
    {
        if (!condition)
            throw Refuse(key, why);
    }

    /// <summary>The error for a key's value: "config.json: 'key' = value " followed by <paramref name="why"/>.</summary>
    public InvalidInputException Refuse(string key, string why) =>
        Find([key], out _) is { } value
            ? new InvalidInputException($"{Location}: '{_prefix}{key}' is {Found(value)}, which {why}.")
            : new InvalidInputException($"{Location}: '{_prefix}{key}' (absent) {why}.");

    /// <summary>The first of the keys that is there and not null.</summary>
    private JsonElement? Find(ReadOnlySpan<string> keys, out string key)
    {
        foreach (var candidate in keys)
            _asked.Add(candidate.Split('.')[0]);
        foreach (var candidate in keys)
        {
            if (Descend(candidate) is { } value)
            {
                key = candidate;
                return value;
            }
        }

        key = keys.Length > 0 ? keys[0] : throw new ArgumentException("At least one key is needed.", nameof(keys));
        return null;
    }

    private JsonElement? Descend(string key)
    {
        var current = Root;
        var start = 0;
        for (var dot = key.IndexOf('.', StringComparison.Ordinal); ; dot = key.IndexOf('.', start))
        {
            var part = dot < 0 ? key.AsSpan(start) : key.AsSpan(start, dot - start);
            if (!current.TryGetProperty(part, out var next) || next.ValueKind == JsonValueKind.Null)
                return null;
            if (dot < 0)
                return next;
            if (next.ValueKind != JsonValueKind.Object)
                throw Wrong(key[..dot], next, "an object");
            (current, start) = (next, dot + 1);
        }
    }

    private JsonElement Required(ReadOnlySpan<string> keys, string expected, out string key)
    {
        if (Find(keys, out key) is { } value)
            return value;
        var prefix = _prefix;
        var others = keys.Length > 1 ? $" (also accepted: {string.Join(", ", keys[1..].ToArray().Select(k => $"'{prefix}{k}'"))})" : "";
        throw new InvalidInputException($"{Location} lacks the key '{_prefix}{key}'{others}; {expected} is expected.");
    }

    private InvalidInputException Wrong(string key, JsonElement value, string expected) =>
        new($"{Location}: '{_prefix}{key}' is {Found(value)}; {expected} is expected.");

    /// <summary>Meets every text once, so that one that is no valid Unicode (a lone escaped surrogate) shows here and not in some getter.</summary>
    private static void CheckTexts(JsonElement element)
    {
        switch (element.ValueKind)
        {
            case JsonValueKind.String:
                _ = element.GetString();
                break;
            case JsonValueKind.Array:
                foreach (var item in element.EnumerateArray())
                    CheckTexts(item);
                break;
            case JsonValueKind.Object:
                foreach (var property in element.EnumerateObject())
                {
                    _ = property.Name;
                    CheckTexts(property.Value);
                }

                break;
        }
    }

    private static long? Whole(JsonElement value)
    {
        if (value.ValueKind != JsonValueKind.Number)
            return null;
        if (value.TryGetInt64(out var number))
            return number;
        var real = value.GetDouble();
        return Math.Abs(real) < 1L << 53 && Math.Truncate(real) == real ? (long)real : null;
    }

    /// <summary>A value for a message: short and printable.</summary>
    private static string Found(JsonElement value)
    {
        const int Longest = 48;
        switch (value.ValueKind)
        {
            case JsonValueKind.Object:
                return "an object";
            case JsonValueKind.Array:
                return $"a list of {value.GetArrayLength()}";
            default:
                var raw = value.GetRawText();
                var text = string.Concat(raw.Take(Longest).Select(c => char.IsControl(c) || char.IsSurrogate(c) ? '?' : c));
                return raw.Length > Longest ? text + "…" : text;
        }
    }
}
