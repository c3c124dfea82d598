using Generated.Tokenization.SentencePiece;

namespace Generated.Tokenization.Families;

/// <summary>ChatGLM2: LLaMA's kind of sentencepiece model, five special tokens after its pieces, and <c>[gMASK] sop</c> before a text.</summary>
/// <remarks>Original: tokenization_chatglm.py of THUDM/chatglm2-6b (SPTokenizer, get_prefix_tokens).</remarks>
internal static class ChatGlm2Tokenizer
{
    private static readonly string[] Names = ["[MASK]", "[gMASK]", "[sMASK]", "sop", "eop"];

    /// <summary>Whether the files say so, by Hugging Face's class and type or PaddleNLP's; ChatGLM-6B says the same and has another vocabulary file.</summary>
    public static bool IsOf(TokenizerFiles files) =>
        files.TokenizerClass is "ChatGLMTokenizer" or "ChatGLMv2Tokenizer" || files.ModelType is "chatglm" or "chatglm_v2";

    public static ITokenizer Load(TokenizerFiles files)
    {
        const string Name = TokenizerFiles.SentencePiece;
        var model = SentencePieceModel.Parse(files.ReadBytes(Name), files.PathOf(Name));
        int first = model.Pieces.Count;
        var tokens = Names.Select((name, i) => new AddedToken(first + i, name));
        var special = SentencePieceSpecials.Read(files, model, addBos: false, tokens);
        return new SentencePieceTokenizer(model, special with
        {
            Prefix = [first + Array.IndexOf(Names, "[gMASK]"), first + Array.IndexOf(Names, "sop")],
            Suffix = [],
            PadId = special.PadId ?? model.UnknownId,
        });
    }
}
