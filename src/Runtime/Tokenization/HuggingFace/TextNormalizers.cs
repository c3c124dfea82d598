using System.Text.RegularExpressions;
using Generated.Tokenization.SentencePiece;
using Generated.Tokenization.Splitting;
using Generated.Tokenization.Text;

namespace Generated.Tokenization.HuggingFace;

/// <summary>Reads tokenizer.json's "normalizer" into one function.</summary>
internal static class TextNormalizers
{
    /// <summary>The steps in order; an empty list leaves text as it is.</summary>
    public static IReadOnlyList<Func<string, string>> Read(JsonNode node) => [.. node.Flatten("normalizers").Select(ReadStep)];

    private static Func<string, string> ReadStep(JsonNode step)
    {
        switch (step.Type)
        {
            case "NFC":
                return Nfc.Normalize;
            case "Prepend":
                string prefix = step["prepend"].Text;
                return text => text.Length == 0 ? text : prefix + text;
            case "Replace":
                return ReadReplace(step);
            case "Lowercase":
                return text => text.ToLowerInvariant();
            case "Strip":
                bool left = step["strip_left"].FlagOr(true), right = step["strip_right"].FlagOr(true);
                return text => Strip(text, left, right);
            case "Precompiled":
                return ReadPrecompiled(step);
            default:
                throw step.Unsupported($"the normalizer {step.Type}");
        }
    }

    /// <summary>A "Replace" component, which is a normalizer and a decoder alike.</summary>
    internal static Func<string, string> ReadReplace(JsonNode step)
    {
        string content = step["content"].Text;
        var pattern = step["pattern"];
        if (!pattern["String"].IsNull)
        {
            string literal = pattern["String"].Text;
            if (literal.Length == 0)
                throw pattern.Unsupported("an empty pattern");
            return text => text.Replace(literal, content, StringComparison.Ordinal);
        }
        var regex = RegexTranslator.Compile(pattern["Regex"].Text, pattern.Path);
        string replacement = content.Replace("$", "$$", StringComparison.Ordinal);
        return text =>
        {
            try
            {
                return regex.Replace(text, replacement);
            }
            catch (RegexMatchTimeoutException slow)
            {
                throw new InvalidInputException($"{pattern.Path}: the pattern takes too long on this text.", slow);
            }
        };
    }

    private static string Strip(string text, bool left, bool right)
        => (left, right) switch
        {
            (true, true) => text.Trim(),
            (true, false) => text.TrimStart(),
            (false, true) => text.TrimEnd(),
            _ => text,
        };

    private static Func<string, string> ReadPrecompiled(JsonNode step)
    {
        var node = step["precompiled_charsmap"];
        var blob = new byte[node.Text.Length];
        if (!Convert.TryFromBase64String(node.Text, blob, out int length))
            throw node.Wrong("base64");
        var map = CharsMap.Parse(blob.AsSpan(0, length), node.Path);
        return map is null ? text => text : text => Map(text, map);
    }

    private static string Map(string text, CharsMap map)
    {
        var output = new ByteBuffer(text.Length + 16);
        ReadOnlySpan<byte> rest = Utf8.Bytes(text);
        while (!rest.IsEmpty)
        {
            int length = map.Match(rest, out var replacement);
            if (length == 0)
            {
                length = Utf8.CharacterLength(rest);
                replacement = rest[..length];
            }
            output.Add(replacement);
            rest = rest[length..];
        }
        return System.Text.Encoding.UTF8.GetString(output.Span);
    }
}
