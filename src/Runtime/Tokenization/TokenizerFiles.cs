using System.Globalization;
using System.Text.Json;
using Generated.Tokenization.ByteLevel;

namespace Generated.Tokenization;

/// <summary>The JSON files beside a tokenizer that say which tokens are special, read leniently: all of them may be absent.</summary>
internal sealed class TokenizerFiles
{
    /// <summary>The sentencepiece model of LLaMA and its relatives, in Hugging Face's folders and in PaddleNLP's.</summary>
    public const string SentencePiece = "tokenizer.model", PaddleSentencePiece = "sentencepiece.bpe.model";

    /// <summary>Keys of tokenizer_config.json that name the class; the second is PaddleNLP's own.</summary>
    public const string ClassKey = "tokenizer_class", PaddleClassKey = "init_class";

    private static readonly JsonDocumentOptions Lenient = new() { AllowTrailingCommas = true, CommentHandling = JsonCommentHandling.Skip };

    private readonly JsonElement _tokenizerConfig;
    private readonly JsonElement _specialTokensMap;
    private readonly JsonElement _addedTokens;
    private readonly JsonElement _config;
    private readonly JsonElement _generationConfig;

    public TokenizerFiles(string directory)
    {
        Directory = directory;
        _tokenizerConfig = Read("tokenizer_config.json");
        _specialTokensMap = Read("special_tokens_map.json");
        _addedTokens = Read("added_tokens.json");
        _config = Read("config.json");
        _generationConfig = Read("generation_config.json");
    }

    public string Directory { get; }

    /// <summary>Class of the original tokenizer ("LlamaTokenizer", "QWenTokenizer", ...), or "".</summary>
    public string TokenizerClass => Text(_tokenizerConfig, ClassKey) ?? Text(_tokenizerConfig, PaddleClassKey) ?? "";

    /// <summary>The model's type ("llama", "chatglm", ...), or "".</summary>
    public string ModelType => Text(_config, "model_type") ?? "";

    /// <summary>First class of config.json's architectures, or "".</summary>
    public string Architecture => _config.ValueKind == JsonValueKind.Object && _config.TryGetProperty("architectures", out var list)
        && list.ValueKind == JsonValueKind.Array && list.GetArrayLength() > 0 && list[0].ValueKind == JsonValueKind.String ? list[0].GetString()! : "";

    /// <summary>config.json's vocab_size, or 0.</summary>
    public int VocabSize => Property(_config, "vocab_size") is { ValueKind: JsonValueKind.Number } size && size.TryGetInt32(out int value) ? value : 0;

    public string PathOf(string file) => Path.Combine(Directory, file);

    public bool Has(string file) => File.Exists(PathOf(file));

    /// <summary>Whether a file is a protobuf whose first field is a piece; a tiktoken file under the same name (Llama 3) begins with base64.</summary>
    public bool IsSentencePiece(string file) => ReadBytes(file) is [0x0A, ..];

    /// <summary>Reads a whole file; failure becomes a clear error.</summary>
    public byte[] ReadBytes(string file)
    {
        try
        {
            return File.ReadAllBytes(PathOf(file));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new InvalidInputException($"{PathOf(file)} cannot be read: {e.Message}", e);
        }
    }

    /// <summary>Parses a JSON file.</summary>
    public JsonElement ReadJson(string file)
    {
        try
        {
            using var document = JsonDocument.Parse(WithoutMark(ReadBytes(file)), Lenient);
            return document.RootElement.Clone();
        }
        catch (JsonException damaged)
        {
            throw new InvalidInputException($"{PathOf(file)} is no valid JSON: {damaged.Message}", damaged);
        }
    }

    /// <summary>A flag of tokenizer_config.json.</summary>
    public bool? Flag(string key) => Property(_tokenizerConfig, key) is { ValueKind: JsonValueKind.True or JsonValueKind.False } flag ? flag.GetBoolean() : null;

    /// <summary>A whole number of tokenizer_config.json.</summary>
    public int? Number(string key) => Property(_tokenizerConfig, key) is { ValueKind: JsonValueKind.Number } number && number.TryGetInt32(out int value) ? value : null;

    /// <summary>A text of tokenizer_config.json.</summary>
    public string? TokenizerText(string key) => Text(_tokenizerConfig, key);

    /// <summary>A text of generation_config.json.</summary>
    public string? GenerationText(string key) => Text(_generationConfig, key);

    /// <summary>Any value of tokenizer_config.json.</summary>
    public JsonElement? TokenizerValue(string key) => Property(_tokenizerConfig, key);

    /// <summary>How a role's token ("bos_token", "pad_token", ...) is written, or null.</summary>
    public string? RoleToken(string role) => TokenContent(_tokenizerConfig, role) ?? TokenContent(_specialTokensMap, role);

    /// <summary>The contents of additional_special_tokens.</summary>
    public IEnumerable<string> AdditionalSpecialTokens => new[] { _tokenizerConfig, _specialTokensMap }
        .Select(file => Property(file, "additional_special_tokens"))
        .Where(list => list is { ValueKind: JsonValueKind.Array })
        .SelectMany(list => list!.Value.EnumerateArray())
        .Select(Content).OfType<string>().Distinct();

    /// <summary>Ids of a role ("eos_token_id") in generation_config.json, else config.json.</summary>
    public IReadOnlyList<int> RoleIds(string key)
    {
        foreach (var file in new[] { _generationConfig, _config })
        {
            if (Property(file, key) is not { } value)
                continue;
            var ids = (value.ValueKind == JsonValueKind.Array ? value.EnumerateArray() : Enumerable.Repeat(value, 1))
                .Where(v => v.ValueKind == JsonValueKind.Number && v.TryGetInt32(out int id) && id >= 0).Select(v => v.GetInt32()).ToArray();
            if (ids.Length > 0)
                return ids;
        }
        return [];
    }

    /// <summary>Tokens of added_tokens.json and of tokenizer_config.json's added_tokens_decoder.</summary>
    public IEnumerable<AddedToken> AddedTokens
    {
        get
        {
            var byId = new SortedDictionary<int, AddedToken>();
            if (_addedTokens.ValueKind == JsonValueKind.Object)
            {
                foreach (var token in _addedTokens.EnumerateObject())
                {
                    if (token.Value.ValueKind != JsonValueKind.Number || !token.Value.TryGetInt32(out int id) || id is < 0 or > VocabularyFile.LargestId)
                        throw new InvalidInputException($"{PathOf("added_tokens.json")}: the token \"{token.Name}\" has no valid id.");
                    byId[id] = new AddedToken(id, token.Name);
                }
            }
            if (Property(_tokenizerConfig, "added_tokens_decoder") is { ValueKind: JsonValueKind.Object } decoder)
            {
                foreach (var token in decoder.EnumerateObject())
                {
                    if (!int.TryParse(token.Name, NumberStyles.None, CultureInfo.InvariantCulture, out int id) || id > VocabularyFile.LargestId || Content(token.Value) is not { } content)
                        throw new InvalidInputException($"{PathOf("tokenizer_config.json")}: added_tokens_decoder has no valid entry \"{token.Name}\".");
                    byId[id] = ReadAddedToken(token.Value, id, content);
                }
            }
            return byId.Values;
        }
    }

    /// <summary>Reads an added token's object.</summary>
    public static AddedToken ReadAddedToken(JsonElement token, int id, string content)
        => new(id, content, IsTrue(token, "special"))
        {
            StripLeft = IsTrue(token, "lstrip"),
            StripRight = IsTrue(token, "rstrip"),
            SingleWord = IsTrue(token, "single_word"),
            Normalized = IsTrue(token, "normalized"),
        };

    private JsonElement Read(string file)
    {
        if (!Has(file))
            return default;
        var root = ReadJson(file);
        return root.ValueKind == JsonValueKind.Object ? root : throw new InvalidInputException($"{PathOf(file)} is not a JSON object.");
    }

    private static JsonElement? Property(JsonElement parent, string key)
        => parent.ValueKind == JsonValueKind.Object && parent.TryGetProperty(key, out var value) && value.ValueKind != JsonValueKind.Null ? value : null;

    private static string? Text(JsonElement parent, string key) => Property(parent, key) is { ValueKind: JsonValueKind.String } text ? text.GetString() : null;

    private static bool IsTrue(JsonElement parent, string key) => Property(parent, key) is { ValueKind: JsonValueKind.True };

    private static string? TokenContent(JsonElement parent, string key) => Property(parent, key) is { } token ? Content(token) : null;

    private static string? Content(JsonElement token) => token.ValueKind == JsonValueKind.String ? token.GetString() : Text(token, "content");

    private static ReadOnlyMemory<byte> WithoutMark(byte[] file) => file is [0xEF, 0xBB, 0xBF, ..] ? file.AsMemory(3) : file;
}
