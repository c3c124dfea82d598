using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Generated.Architectures;
using Generated.Checkpoints;
using Generated.Checkpoints.Writing;
using Generated.Configuration;
using Generated.Tokenization;

namespace Generated.Loading.Converting;

/// <summary>The files beside the weights that belong to a tokenizer or to generation, under the names that each world's classes look for.</summary>
internal static class CompanionFiles
{
    private const string TokenizerConfig = "tokenizer_config.json", TokenizerJson = "tokenizer.json", Vocabulary = "vocab.json", Merges = "merges.txt";

    private static readonly string[] Patterns =
    [
        TokenizerJson, TokenizerConfig, "special_tokens_map.json", "added_tokens.json", Vocabulary, Merges, "vocab.txt",
        "generation_config.json", "chat_template.jinja", "chat_template.json", "*.model", "*.tiktoken",
    ];

    /// <summary>Copies the files as they are, as far as they are there.</summary>
    public static void Copy(string from, string to)
    {
        foreach (var file in In(from))
            File.Copy(file, Path.Combine(to, Path.GetFileName(file)), overwrite: true);
    }

    /// <summary>Copies the files for a layout: renamed, the class named, and what the target's class reads made of tokenizer.json.</summary>
    /// <exception cref="InvalidInputException">A file that has to be changed is damaged.</exception>
    public static void Convert(string from, string to, ArchitectureInfo architecture, CheckpointLayout layout)
    {
        Copy(from, to);
        try
        {
            Adapt(new TokenizerFiles(from), to, architecture, layout);
        }
        catch (InvalidOperationException damaged)
        {
            // What System.Text.Json throws for text of half a surrogate pair, and where a text is no text.
            throw new InvalidInputException($"A JSON file of the tokenizer in {from} is damaged: {damaged.Message}", damaged);
        }
    }

    private static void Adapt(TokenizerFiles files, string folder, ArchitectureInfo architecture, CheckpointLayout layout)
    {
        if (PaddleTokenizer.Of(architecture, files) is not { } tokenizer)
            return;
        var (old, name) = layout == CheckpointLayout.Paddle
            ? (tokenizer.HuggingFaceFile, tokenizer.PaddleFile)
            : (tokenizer.PaddleFile, tokenizer.HuggingFaceFile);
        if (old != name && files.Has(old) && !files.Has(name))
            File.Move(Path.Combine(folder, old), Path.Combine(folder, name));
        if (files.Has(TokenizerConfig))
            NameClass(files, folder, tokenizer, layout);
        if (layout == CheckpointLayout.Paddle && tokenizer.PaddleFile == Vocabulary)
            WriteVocabulary(files, folder);
    }

    private static IEnumerable<string> In(string folder) => Patterns.SelectMany(pattern => Directory.EnumerateFiles(folder, pattern));

    /// <summary>PaddleNLP's AutoTokenizer asks for <c>init_class</c> before <c>tokenizer_class</c>, so that the original's name can stay.</summary>
    private static void NameClass(TokenizerFiles files, string folder, PaddleTokenizer tokenizer, CheckpointLayout layout)
    {
        const string PaddleKey = TokenizerFiles.PaddleClassKey, Key = TokenizerFiles.ClassKey;
        var keys = JsonObject.Create(files.ReadJson(TokenizerConfig)) ?? [];
        var named = files.TokenizerText(Key) ?? files.TokenizerText(PaddleKey);
        if (layout == CheckpointLayout.Paddle)
        {
            if (named == tokenizer.PaddleClass || keys.ContainsKey(PaddleKey))
                return;
            keys[PaddleKey] = tokenizer.PaddleClass;
        }
        else
        {
            if (!keys.Remove(PaddleKey) && (named != tokenizer.PaddleClass || named == tokenizer.HuggingFaceClass))
                return;
            if (named == tokenizer.PaddleClass)
                keys[Key] = tokenizer.HuggingFaceClass;
        }

        new ConfigWriter(keys).Save(Path.Combine(folder, TokenizerConfig));
    }

    /// <summary>Published BLOOMs have tokenizer.json alone; PaddleNLP's classes read its vocabulary and merges from two files.</summary>
    private static void WriteVocabulary(TokenizerFiles files, string folder)
    {
        if (!files.Has(TokenizerJson) || files.Has(Vocabulary) || files.Has(Merges))
            return;
        if (!files.ReadJson(TokenizerJson).TryGetProperty("model", out var model) || !model.TryGetProperty("vocab", out var vocabulary)
            || !model.TryGetProperty("merges", out var merges) || vocabulary.ValueKind != JsonValueKind.Object || merges.ValueKind != JsonValueKind.Array)
            return;
        var lines = new StringBuilder("#version: 0.2\n");
        foreach (var merge in merges.EnumerateArray())
            lines.Append(merge.ValueKind == JsonValueKind.Array ? string.Join(' ', merge.EnumerateArray().Select(piece => piece.GetString())) : merge.GetString()).Append('\n');
        AtomicFile.WriteAllBytes(Path.Combine(folder, Merges), Encoding.UTF8.GetBytes(lines.ToString()));
        AtomicFile.WriteAllBytes(Path.Combine(folder, Vocabulary), Encoding.UTF8.GetBytes(vocabulary.GetRawText()));
    }
}
