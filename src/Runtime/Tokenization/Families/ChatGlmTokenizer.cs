using System.Globalization;
using System.Text.RegularExpressions;
using Generated.Tokenization.SentencePiece;

namespace Generated.Tokenization.Families;

/// <summary>
/// ChatGLM-6B: line ends, tabs and runs of 2 to 80 spaces are written as tokens of their own before sentencepiece (unigram) sees
/// the text, and back; texts end with <c>[gMASK] &lt;sop&gt;</c>.
/// </summary>
/// <remarks>Original: tokenization_chatglm.py of THUDM/chatglm-6b (SPTokenizer, build_inputs_with_special_tokens).</remarks>
internal sealed partial class ChatGlmTokenizer : ITokenizer
{
    public const string FileName = "ice_text.model";

    private const int LongestBlank = 80;
    private readonly SentencePieceTokenizer _pieces;
    private readonly SpecialTokens _special;
    private readonly int _imageTokens; // ids below are images' in the first releases; text ids come after them

    private ChatGlmTokenizer(SentencePieceTokenizer pieces, SpecialTokens special, int imageTokens)
    {
        _pieces = pieces;
        _imageTokens = imageTokens;
        _special = special;
    }

    public static ITokenizer Load(TokenizerFiles files)
    {
        var model = SentencePieceModel.Parse(files.ReadBytes(FileName), files.PathOf(FileName));
        // Later releases dropped the 20,000 image tokens and say so; where nothing is said, the model's vocabulary tells.
        int imageTokens = files.Number("num_image_tokens") ?? (files.VocabSize >= model.Pieces.Count + 20000 ? 20000 : 0);
        if (imageTokens is < 0 or > ByteLevel.VocabularyFile.LargestId)
            throw new InvalidInputException($"{files.PathOf("tokenizer_config.json")}: num_image_tokens is {imageTokens}.");
        var special = SentencePieceSpecials.Read(files, model, addBos: false);
        var pieces = new SentencePieceTokenizer(model, special);
        int? Id(string? token) => token is not null && pieces.TokenToId(token) is { } id ? id + imageTokens : null;
        int? bos = Id(files.RoleToken("bos_token") ?? "<sop>");
        int? eos = Id(files.RoleToken("eos_token") ?? "<eop>");
        int? mask = Id(files.TokenizerText("gmask_token") ?? "[gMASK]");
        return new ChatGlmTokenizer(pieces, special with
        {
            BosId = bos,
            EosIds = [.. files.RoleIds("eos_token_id").Concat(eos is { } e ? [e] : []).Distinct()],
            PadId = Id(files.RoleToken("pad_token") ?? "<pad>"),
            Prefix = [],
            Suffix = [.. new[] { mask, bos }.OfType<int>()],
        }, imageTokens);
    }

    public int VocabSize => _pieces.VocabSize + _imageTokens;

    public int? BosId => _special.BosId;

    public IReadOnlyList<int> EosIds => _special.EosIds;

    public int? PadId => _special.PadId;

    public IReadOnlyList<int> Encode(string text, bool addSpecial = false)
    {
        ArgumentNullException.ThrowIfNull(text);
        return [.. _pieces.Encode(Write(text)).Select(id => id + _imageTokens), .. addSpecial ? _special.Suffix : []];
    }

    public IReadOnlyList<int> EncodePrompt(string prompt)
    {
        ArgumentNullException.ThrowIfNull(prompt);
        return [.. _pieces.EncodePrompt(Write(prompt)).Select(id => id + _imageTokens)];
    }

    public string Decode(IReadOnlyList<int> ids, bool skipSpecial = true)
    {
        ArgumentNullException.ThrowIfNull(ids);
        return Read(_pieces.Decode([.. ids.Where(id => id >= _imageTokens).Select(id => id - _imageTokens)], skipSpecial));
    }

    public int? TokenToId(string token) => _pieces.TokenToId(token) is { } id ? id + _imageTokens : null;

    public string? IdToToken(int id) => _pieces.IdToToken(id - _imageTokens);

    public IStreamingDecoder CreateStreamingDecoder(bool skipSpecial = true) => new Stream(this, _pieces.CreateStreamingDecoder(skipSpecial));

    /// <summary>Writes whitespace as the tokens that stand for it; the longest runs first.</summary>
    private static string Write(string text)
    {
        text = text.Replace("\n", "<n>", StringComparison.Ordinal).Replace("\t", "<|tab|>", StringComparison.Ordinal);
        return !text.Contains("  ", StringComparison.Ordinal) ? text : Spaces().Replace(text, run => WriteSpaces(run.Length));
    }

    private static string WriteSpaces(int count)
    {
        var text = new System.Text.StringBuilder();
        for (; count >= 2; count -= Math.Min(count, LongestBlank))
            text.Append(CultureInfo.InvariantCulture, $"<|blank_{Math.Min(count, LongestBlank)}|>");
        return text.Append(' ', count).ToString();
    }

    private static string Read(string text)
        => !text.Contains('<') ? text : Blanks().Replace(
            text.Replace("<n>", "\n", StringComparison.Ordinal).Replace("<|tab|>", "\t", StringComparison.Ordinal),
            blank => int.TryParse(blank.Groups[1].ValueSpan, NumberStyles.None, CultureInfo.InvariantCulture, out int count) && count <= LongestBlank
                ? new string(' ', count) : blank.Value);

    [GeneratedRegex(" {2,}")]
    private static partial Regex Spaces();

    [GeneratedRegex(@"<\|blank_([0-9]+)\|>")]
    private static partial Regex Blanks();

    /// <summary>A whitespace token comes out whole from one id, so each id's text can be read back alone.</summary>
    private sealed class Stream(ChatGlmTokenizer owner, IStreamingDecoder pieces) : IStreamingDecoder
    {
        public string Add(int id) => id < owner._imageTokens ? "" : Read(pieces.Add(id - owner._imageTokens));

        public string Flush() => Read(pieces.Flush());
    }
}
