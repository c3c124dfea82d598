using System.Text.Json;
using Generated.Tokenization.Bpe;
using Generated.Tokenization.ByteLevel;
using Generated.Tokenization.SentencePiece;
using Generated.Tokenization.Text;

namespace Generated.Tokenization.HuggingFace;

/// <summary>The contents of a tokenizer.json.</summary>
internal sealed class TokenizerDefinition
{
    public required IReadOnlyList<Func<string, string>> Normalizers { get; init; }
    public required IReadOnlyList<PreTokenizer> PreTokenizers { get; init; }
    public required DecoderSteps Decoder { get; init; }
    public required IReadOnlyList<AddedToken> Added { get; init; }
    public required (IReadOnlyList<int> Prefix, IReadOnlyList<int> Suffix) Surroundings { get; init; }

    /// <summary>The model's tokens by id as the file writes them; null where an id is not used.</summary>
    public required string?[] Tokens { get; init; }

    public required Dictionary<string, int> IdOf { get; init; }

    public required IReadOnlyList<(string Left, string Right)> Merges { get; init; }
    public required BpeOptions Options { get; init; }

    /// <summary>Reads a file's root.</summary>
    /// <exception cref="InvalidInputException">Something is missing, contradictory or not supported; the message has its path.</exception>
    public static TokenizerDefinition Read(JsonElement root, string fileName)
    {
        var file = new JsonNode(root, fileName);
        var model = file["model"];
        string type = model["type"].TextOr("BPE");
        if (type != "BPE")
            throw model.Unsupported($"the model type {type} (only BPE)");
        var (preTokenizers, isByteLevel) = PreTokenizerReader.Read(file["pre_tokenizer"]);
        var (tokens, idOf) = ReadVocabulary(model["vocab"]);
        var merges = ReadMerges(model["merges"]);
        MergesFile.Check(merges, idOf, model["merges"].Path);
        return new TokenizerDefinition
        {
            Normalizers = TextNormalizers.Read(file["normalizer"]),
            PreTokenizers = preTokenizers,
            Decoder = DecoderSteps.Read(file["decoder"]),
            Added = ReadAddedTokens(file["added_tokens"]),
            Surroundings = PostProcessor.Read(file["post_processor"]),
            Tokens = tokens,
            IdOf = idOf,
            Merges = merges,
            Options = ReadOptions(model, idOf, isByteLevel),
        };
    }

    private static (string?[] Tokens, Dictionary<string, int> IdOf) ReadVocabulary(JsonNode vocab)
    {
        if (vocab.Element.ValueKind != JsonValueKind.Object)
            throw vocab.Wrong("an object of tokens and ids");
        var idOf = new Dictionary<string, int>();
        foreach (var entry in vocab.Element.EnumerateObject())
        {
            int id = new JsonNode(entry.Value, $"{vocab.Path}.{entry.Name}").Number;
            if (id < 0)
                throw new InvalidInputException($"{vocab.Path}: the token \"{entry.Name}\" has the id {id}.");
            idOf[entry.Name] = id;
        }
        return (VocabularyFile.ById(idOf, vocab.Path), idOf);
    }

    private static List<(string Left, string Right)> ReadMerges(JsonNode merges)
    {
        var pairs = new List<(string, string)>();
        foreach (var item in merges.Items)
        {
            if (item.Element.ValueKind == JsonValueKind.Array)
            {
                if (item.Element.GetArrayLength() != 2 || item.Element[0].ValueKind != JsonValueKind.String || item.Element[1].ValueKind != JsonValueKind.String)
                    throw item.Wrong("two tokens");
                pairs.Add((item.Element[0].GetString()!, item.Element[1].GetString()!));
                continue;
            }
            string text = item.Text;
            int space = text.IndexOf(' ', StringComparison.Ordinal);
            if (space <= 0 || space == text.Length - 1 || text.IndexOf(' ', space + 1) >= 0)
                throw item.Wrong("two tokens with a space between");
            pairs.Add((text[..space], text[(space + 1)..]));
        }
        return pairs;
    }

    private static BpeOptions ReadOptions(JsonNode model, Dictionary<string, int> idOf, bool isByteLevel)
    {
        foreach (string key in new[] { "continuing_subword_prefix", "end_of_word_suffix" })
        {
            if (model[key].TextOr("").Length > 0)
                throw model[key].Unsupported($"the {key} \"{model[key].Text}\"");
        }
        int unknown = -1;
        if (!model["unk_token"].IsNull && !idOf.TryGetValue(model["unk_token"].Text, out unknown))
            throw new InvalidInputException($"{model["unk_token"].Path}: the token \"{model["unk_token"].Text}\" is not in the vocabulary.");
        int[] byteIds = [];
        if (model["byte_fallback"].FlagOr(false) && !isByteLevel)
        {
            byteIds = new int[256];
            for (int b = 0; b < 256; b++)
            {
                if (!idOf.TryGetValue($"<0x{b:X2}>", out byteIds[b]))
                    throw new InvalidInputException($"{model.Path}: byte_fallback is set but the vocabulary has no token <0x{b:X2}>.");
            }
        }
        return new BpeOptions
        {
            ByteSymbols = isByteLevel,
            ByteIds = byteIds,
            UnknownId = unknown,
            FuseUnknown = model["fuse_unk"].FlagOr(false),
            WholePieces = model["ignore_merges"].FlagOr(false) ? idOf : null,
            Neighbours = isByteLevel ? null : new NeighbourFilter(idOf.Keys),
        };
    }

    private static List<AddedToken> ReadAddedTokens(JsonNode list)
    {
        var tokens = new List<AddedToken>();
        if (list.IsNull)
            return tokens;
        foreach (var item in list.Items)
        {
            int id = item["id"].Number;
            if (id < 0 || id > VocabularyFile.LargestId)
                throw new InvalidInputException($"{item.Path}: the id {id} is out of range.");
            tokens.Add(TokenizerFiles.ReadAddedToken(item.Element, id, item["content"].Text));
        }
        return tokens;
    }
}
