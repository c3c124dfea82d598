using System.Reflection;
using System.Text;
using System.Text.Json.Nodes;
using Generated.Configuration;
using Generated.Loading;
using Generated.Quant.Recipes;

namespace Generated.Quant.Formats;

/// <summary>What a checkpoint in the own format holds beyond an architecture's plain weights: the <c>quantization_config</c> of its config.json.</summary>
internal sealed record Manifest
{
    public const string Method = "generated";

    /// <summary>Increased when an older reader would misread newer files.</summary>
    public const int Version = 1;

    /// <summary>Formats by the name of the linear.</summary>
    public Dictionary<string, LinearFormat> Linears { get; init; } = new(StringComparer.Ordinal);

    /// <summary>Norms with a bias that the architecture lacks.</summary>
    public SortedSet<string> NormBiases { get; init; } = new(StringComparer.Ordinal);

    /// <summary>Attention layers, by their place, whose keys and values are kept in 8 bits.</summary>
    public SortedSet<int> KvLayers { get; init; } = [];

    /// <summary>Format of the token embedding; null for a matrix of floats.</summary>
    public EmbeddingFormat? Embedding { get; init; }

    /// <summary>This library's version, as files say it.</summary>
    public static string LibraryVersion { get; } =
        typeof(Manifest).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion.Split('+')[0] ?? "0.0.0";

    /// <summary>The contents of several parts of one checkpoint.</summary>
    public static Manifest Join(IReadOnlyList<Manifest> parts) => new()
    {
        Linears = new Dictionary<string, LinearFormat>(parts.SelectMany(p => p.Linears), StringComparer.Ordinal),
        NormBiases = new SortedSet<string>(parts.SelectMany(p => p.NormBiases), StringComparer.Ordinal),
        KvLayers = [.. parts.SelectMany(p => p.KvLayers)],
        Embedding = parts.Select(p => p.Embedding).FirstOrDefault(e => e is not null),
    };

    /// <summary>As JSON, linears of one format together.</summary>
    public JsonObject ToJson()
    {
        var json = new JsonObject
        {
            ["linears"] = new JsonArray([.. Linears.GroupBy(l => l.Value).Select(group =>
            {
                var entry = new JsonObject { ["modules"] = Texts(group.Select(l => l.Key)) };
                foreach (var (key, value) in group.Key.ToJson())
                    entry[key] = value!.DeepClone();
                return entry;
            })]),
        };
        if (NormBiases.Count > 0)
            json["norm_biases"] = Texts(NormBiases);
        if (KvLayers.Count > 0)
            json["kv_cache"] = new JsonObject { ["bits"] = 8, ["layers"] = new JsonArray([.. KvLayers.Select(i => JsonValue.Create(i))]) };
        if (Embedding is { } embedding)
        {
            json["embedding"] = new JsonObject
            {
                ["bits"] = embedding.Bits,
                ["spacing"] = embedding.Spacing == EmbeddingSpacing.Log ? "log" : "abs_max",
                ["tied_head"] = embedding.TiedHead,
            };
        }

        return json;
    }

    /// <summary>As text, for the metadata of a file.</summary>
    public string ToText() => ToJson().ToJsonString();

    /// <summary>Reads what <see cref="ToText"/> gave.</summary>
    public static Manifest Parse(string text, string location) => ReadContent(ConfigReader.Parse(Encoding.UTF8.GetBytes(text), location));

    /// <summary>Reads the description in a config.json.</summary>
    /// <exception cref="InvalidInputException">It is of a later version, or a value is impossible.</exception>
    public static Manifest Read(ConfigReader config)
    {
        var json = config.Object(QuantizedFormats.Key)!;
        var version = json.Int("format_version");
        if (version > Version)
            throw new InvalidInputException(
                $"{config.Location}: the weights are in version {version} of the format, written by Generated {json.StringOr("of a later version", "library_version")}; this is {LibraryVersion}, which reads up to version {Version}: update to load them.");
        json.Require(version == Version, "format_version", "is no version that was ever written");
        return ReadContent(json);
    }

    private static Manifest ReadContent(ConfigReader json)
    {
        var manifest = new Manifest
        {
            NormBiases = new SortedSet<string>(json.StringArray("norm_biases"), StringComparer.Ordinal),
            KvLayers = json.Object("kv_cache") is { } cache ? KvCache(cache) : [],
            Embedding = json.Object("embedding") is { } embedding ? ReadEmbedding(embedding) : null,
        };
        foreach (var entry in json.ObjectArray("linears"))
        {
            var format = LinearFormat.Read(entry);
            foreach (var name in entry.StringArray("modules"))
                entry.Require(manifest.Linears.TryAdd(name, format), "modules", $"names '{name}', which another entry names too");
        }

        return manifest;
    }

    private static SortedSet<int> KvCache(ConfigReader json)
    {
        json.Require(json.Int("bits") == 8, "bits", "is not 8");
        return [.. json.IntArray("layers")];
    }

    private static EmbeddingFormat ReadEmbedding(ConfigReader json)
    {
        json.Require(json.Int("bits") is 8 or 16, "bits", "is neither 8 nor 16");
        return new EmbeddingFormat
        {
            Bits = json.Int("bits"),
            Spacing = json.String("spacing") switch
            {
                "abs_max" => EmbeddingSpacing.AbsMax,
                "log" => EmbeddingSpacing.Log,
                _ => throw json.Refuse("spacing", "is neither 'abs_max' nor 'log'"),
            },
            TiedHead = json.BoolOr(false, "tied_head"),
        };
    }

    private static JsonArray Texts(IEnumerable<string> texts) => new([.. texts.Select(t => JsonValue.Create(t))]);
}
