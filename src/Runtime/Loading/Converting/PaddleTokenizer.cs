using Generated.Architectures;
using Generated.Tokenization;

namespace Generated.Loading.Converting;

/// <summary>
/// A family's tokenizer in both worlds: the file of its vocabulary (<c>resource_files_names</c> in PaddleNLP's
/// paddlenlp/transformers/*/tokenizer.py) and its class. Those of Baichuan and OPT, which have no such file, follow from the models
/// that PaddleNLP makes of them.
/// </summary>
/// <param name="PaddleClass">PaddleNLP's class.</param>
/// <param name="HuggingFaceClass">The class that Hugging Face's files name.</param>
/// <param name="PaddleFile">The file that PaddleNLP's class reads.</param>
/// <param name="HuggingFaceFile">The same in Hugging Face's folders.</param>
internal sealed record PaddleTokenizer(string PaddleClass, string HuggingFaceClass, string PaddleFile, string HuggingFaceFile)
{
    private const string Bpe = "vocab.json", GlmChinese = "cog-pretrain.model";

    private static readonly Dictionary<string, PaddleTokenizer> Families = new(StringComparer.Ordinal)
    {
        ["llama"] = new("LlamaTokenizer", "LlamaTokenizer", TokenizerFiles.PaddleSentencePiece, TokenizerFiles.SentencePiece),
        ["baichuan"] = new("LlamaTokenizer", "BaichuanTokenizer", TokenizerFiles.PaddleSentencePiece, TokenizerFiles.SentencePiece),
        ["chatglm"] = new("ChatGLMTokenizer", "ChatGLMTokenizer", "ice_text.model", "ice_text.model"),
        ["chatglm_v2"] = new("ChatGLMv2Tokenizer", "ChatGLMTokenizer", TokenizerFiles.SentencePiece, TokenizerFiles.SentencePiece),
        ["bloom"] = new("BloomTokenizer", "BloomTokenizerFast", Bpe, Bpe),
        ["gpt"] = new("GPTTokenizer", "GPT2Tokenizer", Bpe, Bpe),
        ["opt"] = new("GPTTokenizer", "GPT2Tokenizer", Bpe, Bpe),
        ["glm"] = new("GLMGPT2Tokenizer", "GLMGPT2Tokenizer", Bpe, Bpe),
        ["qwen"] = new("QWenTokenizer", "QWenTokenizer", "qwen.tiktoken", "qwen.tiktoken"),
        ["qwen2"] = new("Qwen2Tokenizer", "Qwen2Tokenizer", Bpe, Bpe),
    };

    /// <summary>The tokenizer of an architecture with these files; null where PaddleNLP's is not known.</summary>
    public static PaddleTokenizer? Of(ArchitectureInfo architecture, TokenizerFiles files)
    {
        if (!Families.TryGetValue(architecture.PaddleModelType ?? architecture.ModelType, out var tokenizer))
            return null;
        if (tokenizer.PaddleClass == "GLMGPT2Tokenizer" && files.Has(GlmChinese))
            return new("GLMChineseTokenizer", "GLMChineseTokenizer", GlmChinese, GlmChinese);
        // Llama 3 has ranks of byte pairs under the same name, and another class.
        return tokenizer.HuggingFaceFile == TokenizerFiles.SentencePiece && files.Has(TokenizerFiles.SentencePiece) && !files.IsSentencePiece(TokenizerFiles.SentencePiece)
            ? null
            : tokenizer;
    }
}
