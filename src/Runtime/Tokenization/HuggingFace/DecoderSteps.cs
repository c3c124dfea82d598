using Generated.Tokenization.ByteLevel;
using Generated.Tokenization.SentencePiece;
using Generated.Tokenization.Text;

namespace Generated.Tokenization.HuggingFace;

/// <summary>tokenizer.json's "decoder": what each token becomes, and what is stripped from the beginning of the whole text.</summary>
internal sealed class DecoderSteps
{
    private readonly List<Func<string, string>> _perToken = [];

    /// <summary>Tokens are written in GPT-2's byte alphabet.</summary>
    public bool IsByteLevel { get; private set; }

    /// <summary>Tokens written &lt;0xHH&gt; are bytes.</summary>
    public bool HasByteFallback { get; private set; }

    /// <summary>How many leading <see cref="StripByte"/>s the text loses.</summary>
    public int StripCount { get; private set; }

    public byte StripByte { get; private set; }

    public static DecoderSteps Read(JsonNode node)
    {
        if (node.IsNull)
            throw node.Unsupported("a tokenizer without a decoder");
        var steps = new DecoderSteps();
        bool isFused = false;
        foreach (var step in node.Flatten("decoders"))
        {
            if (isFused && step.Type is not ("Strip" or "Fuse"))
                throw step.Unsupported($"the decoder {step.Type} after Fuse");
            switch (step.Type)
            {
                case "ByteLevel":
                    steps.IsByteLevel = isFused = true;
                    break;
                case "ByteFallback":
                    steps.HasByteFallback = true;
                    break;
                case "Fuse":
                    isFused = true;
                    break;
                case "Replace":
                    steps._perToken.Add(TextNormalizers.ReadReplace(step));
                    break;
                case "Metaspace":
                    string replacement = step["replacement"].TextOr("\u2581");
                    steps._perToken.Add(text => text.Replace(replacement, " ", StringComparison.Ordinal));
                    if (PreTokenizerReader.Scheme(step) != PrependScheme.Never)
                        (steps.StripCount, steps.StripByte) = (1, (byte)' ');
                    break;
                case "Strip":
                    steps.ReadStrip(step, isFused);
                    break;
                default:
                    throw step.Unsupported($"the decoder {step.Type}");
            }
        }
        return steps;
    }

    /// <summary>The bytes of a token; <paramref name="isByte"/> tells one from byte fallback, which may be part of a character.</summary>
    public byte[] BytesOf(string token, out bool isByte)
    {
        foreach (var step in _perToken)
            token = step(token);
        isByte = false;
        if (IsByteLevel)
            return ByteAlphabet.BytesOf(token);
        var bytes = Utf8.Bytes(token);
        if (HasByteFallback && SentencePieceModel.ByteValue(bytes) is >= 0 and int value)
        {
            isByte = true;
            return [(byte)value];
        }
        return bytes;
    }

    private void ReadStrip(JsonNode step, bool isFused)
    {
        string content = step["content"].Text;
        int start = step["start"].Number;
        if (content.Length != 1 || !char.IsAscii(content[0]) || start < 0 || step["stop"].Number != 0 || !isFused)
            throw step.Unsupported("a Strip decoder other than of leading ASCII characters after Fuse");
        (StripCount, StripByte) = (start, (byte)content[0]);
    }
}
