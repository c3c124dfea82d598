using Generated.Tokenization.SentencePiece;

namespace Generated.Tokenization.Families;

/// <summary>GLM (Chinese): sentencepiece BPE in cog-pretrain.model; texts stand between [CLS] and the end token.</summary>
/// <remarks>Original: tokenization_glm.py of THUDM's GLM checkpoints (GLMChineseTokenizer, GLMGPT2Tokenizer).</remarks>
internal static class GlmTokenizer
{
    public const string FileName = "cog-pretrain.model";

    public static ITokenizer Load(TokenizerFiles files)
    {
        var model = SentencePieceModel.Parse(files.ReadBytes(FileName), files.PathOf(FileName));
        var special = SentencePieceSpecials.Read(files, model, addBos: false);
        return new SentencePieceTokenizer(model, Surround(files, special, _ => null));
    }

    /// <summary>
    /// Adds [CLS] before and the end token after a text, as far as the checkpoint has them; generation also ends with
    /// &lt;|endofpiece|&gt;.
    /// </summary>
    public static SpecialTokens Surround(TokenizerFiles files, SpecialTokens special, Func<string, int?> idOf)
    {
        int? Find(string? content) => content is null ? null : special.Added.FirstOrDefault(t => t.Content == content)?.Id ?? idOf(content);
        int? first = Find(files.RoleToken("cls_token") ?? "[CLS]");
        int? endOfPiece = Find("<|endofpiece|>");
        return special with
        {
            Prefix = first is { } cls ? [cls] : [],
            Suffix = first is not null && special.EosIds is [.., var last] ? [last] : [],
            EosIds = endOfPiece is { } end ? [.. special.EosIds.Append(end).Distinct()] : special.EosIds,
        };
    }
}
