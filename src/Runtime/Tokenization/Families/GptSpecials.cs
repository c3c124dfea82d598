namespace Generated.Tokenization.Families;

/// <summary>Special tokens of GPT-2 and OPT, which share the form of their files but not the roles.</summary>
internal static class GptSpecials
{
    private const string EndOfText = "<|endoftext|>";

    public static SpecialTokens Read(TokenizerFiles files, Dictionary<string, int> idOf)
    {
        int? IdOf(string token) => idOf.TryGetValue(token, out int id) ? id : null;
        // OPT's vocabulary is fairseq's: <s> 0, <pad> 1, </s> 2; its texts begin with </s>.
        bool isOpt = !idOf.ContainsKey(EndOfText) && idOf.ContainsKey("</s>");
        string[] own = isOpt ? ["<s>", "<pad>", "</s>", "<unk>", "<mask>"] : [EndOfText];
        var tokens = own.Where(idOf.ContainsKey).Select(token => new AddedToken(idOf[token], token));
        bool isGlm = files.TokenizerClass == "GLMGPT2Tokenizer";
        var special = SpecialTokenReader.Read(files, tokens, IdOf, isOpt
            ? new("</s>", "</s>", "<pad>", AddBos: true)
            : new(EndOfText, EndOfText, null, AddBos: false));
        return isGlm ? GlmTokenizer.Surround(files, special, IdOf) : special;
    }
}
