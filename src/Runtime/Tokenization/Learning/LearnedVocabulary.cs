using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using Generated.Checkpoints.Writing;
using Generated.Tokenization.ByteLevel;

namespace Generated.Tokenization.Learning;

/// <summary>What <see cref="BpeTrainer"/> learned: special tokens first, then the 256 bytes, then one token per merge.</summary>
public sealed class LearnedVocabulary
{
    private readonly IReadOnlyList<string> _specialTokens;
    private readonly List<byte[]> _tokens;
    private readonly List<(int Left, int Right)> _merges;

    internal LearnedVocabulary(IReadOnlyList<string> specialTokens, List<byte[]> tokens, List<(int Left, int Right)> merges)
    {
        _specialTokens = specialTokens;
        _tokens = tokens;
        _merges = merges;
    }

    /// <summary>Number of tokens, special ones included.</summary>
    public int Size => _specialTokens.Count + _tokens.Count;

    /// <summary>
    /// Writes tokenizer.json and tokenizer_config.json as Hugging Face's libraries read them. The first special token
    /// begins a sequence, the last ends it.
    /// </summary>
    public void Save(string directory)
    {
        Directory.CreateDirectory(directory);
        Write(Path.Combine(directory, "tokenizer.json"), WriteTokenizer);
        Write(Path.Combine(directory, "tokenizer_config.json"), WriteConfig);
    }

    private static void Write(string path, Action<Utf8JsonWriter> write)
    {
        using var bytes = new MemoryStream();
        using (var writer = new Utf8JsonWriter(bytes, new JsonWriterOptions { Indented = true, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping, NewLine = "\n" }))
            write(writer);
        using var file = new AtomicFile(path, bytes.Length);
        file.Write(0, bytes.GetBuffer().AsSpan(0, (int)bytes.Length));
        file.Flush();
        file.Commit();
    }

    private void WriteTokenizer(Utf8JsonWriter json)
    {
        json.WriteStartObject();
        json.WriteString("version", "1.0");
        json.WriteNull("truncation");
        json.WriteNull("padding");
        json.WriteStartArray("added_tokens");
        for (var id = 0; id < _specialTokens.Count; id++)
        {
            json.WriteStartObject();
            json.WriteNumber("id", id);
            json.WriteString("content", _specialTokens[id]);
            foreach (var flag in (string[])["single_word", "lstrip", "rstrip", "normalized"]) json.WriteBoolean(flag, false);
            json.WriteBoolean("special", true);
            json.WriteEndObject();
        }

        json.WriteEndArray();
        json.WriteNull("normalizer");
        WriteByteLevel(json, "pre_tokenizer");
        json.WriteNull("post_processor");
        WriteByteLevel(json, "decoder");
        WriteModel(json);
        json.WriteEndObject();
    }

    private static void WriteByteLevel(Utf8JsonWriter json, string property)
    {
        json.WriteStartObject(property);
        json.WriteString("type", "ByteLevel");
        json.WriteBoolean("add_prefix_space", false);
        json.WriteBoolean("trim_offsets", true);
        json.WriteBoolean("use_regex", true);
        json.WriteEndObject();
    }

    private void WriteModel(Utf8JsonWriter json)
    {
        json.WriteStartObject("model");
        json.WriteString("type", "BPE");
        foreach (var absent in (string[])["dropout", "unk_token", "continuing_subword_prefix", "end_of_word_suffix"]) json.WriteNull(absent);
        json.WriteBoolean("fuse_unk", false);
        json.WriteBoolean("byte_fallback", false);
        json.WriteStartObject("vocab");
        for (var id = 0; id < _specialTokens.Count; id++) json.WriteNumber(_specialTokens[id], id);
        for (var token = 0; token < _tokens.Count; token++) json.WriteNumber(Spelling(token), _specialTokens.Count + token);
        json.WriteEndObject();
        json.WriteStartArray("merges");
        foreach (var (left, right) in _merges) json.WriteStringValue($"{Spelling(left)} {Spelling(right)}");
        json.WriteEndArray();
        json.WriteEndObject();
    }

    private void WriteConfig(Utf8JsonWriter json)
    {
        json.WriteStartObject();
        json.WriteString("tokenizer_class", "PreTrainedTokenizerFast");
        if (_specialTokens.Count > 0)
        {
            json.WriteString("bos_token", _specialTokens[0]);
            json.WriteString("eos_token", _specialTokens[^1]);
        }

        json.WriteBoolean("clean_up_tokenization_spaces", false);
        json.WriteEndObject();
    }

    private string Spelling(int token) => ByteAlphabet.Write(_tokens[token]);
}
