using Generated.Tokenization.Bpe;
using Generated.Tokenization.ByteLevel;
using Generated.Tokenization.Families;
using Generated.Tokenization.HuggingFace;
using Generated.Tokenization.SentencePiece;
using Generated.Tokenization.Splitting;

namespace Generated.Tokenization;

/// <summary>Finds out from a checkpoint folder's files which tokenizer it has, and loads it.</summary>
public static class TokenizerLoader
{
    /// <summary>
    /// Loads the tokenizer of a checkpoint folder: <c>ice_text.model</c> (ChatGLM-6B), <c>cog-pretrain.model</c> (GLM),
    /// <c>tokenizer.model</c>, PaddleNLP's <c>sentencepiece.bpe.model</c> or another sentencepiece model (LLaMA, Baichuan, ChatGLM2), <c>tokenizer.json</c> (BPE),
    /// <c>vocab.json</c> with <c>merges.txt</c> (GPT-2, OPT), <c>*.tiktoken</c> (Qwen), in this order. Which tokens are special and
    /// what is added around a text is read from <c>tokenizer_config.json</c>, <c>special_tokens_map.json</c>,
    /// <c>added_tokens.json</c>, <c>generation_config.json</c> and <c>config.json</c>, as far as they are there.
    /// </summary>
    /// <param name="directory">The checkpoint's folder.</param>
    /// <exception cref="InvalidInputException">There is no tokenizer, or one of its files is damaged; the message names it.</exception>
    public static ITokenizer Load(string directory)
    {
        ArgumentException.ThrowIfNullOrEmpty(directory);
        if (!Directory.Exists(directory))
            throw new InvalidInputException($"The folder {directory} does not exist.");
        try
        {
            return Load(new TokenizerFiles(directory));
        }
        catch (InvalidOperationException damaged)
        {
            // What System.Text.Json throws for half a surrogate pair or invalid UTF-8 in a string; it looks only when asked for the string.
            throw new InvalidInputException($"A JSON file of the tokenizer in {directory} holds text that is no valid Unicode: {damaged.Message}", damaged);
        }
    }

    /// <summary>Refuses a tokenizer whose ids go beyond the model's embedding, which means that it belongs to another model.</summary>
    /// <param name="tokenizer">The tokenizer.</param>
    /// <param name="modelVocabSize">Rows of the embedding (<c>vocab_size</c> of config.json; it may be padded, so more is fine).</param>
    /// <param name="directory">The checkpoint's folder, for the message.</param>
    /// <exception cref="InvalidInputException">The tokenizer has more ids than the model.</exception>
    public static void RequireFits(ITokenizer tokenizer, int modelVocabSize, string directory)
    {
        ArgumentNullException.ThrowIfNull(tokenizer);
        if (tokenizer.VocabSize > modelVocabSize)
        {
            throw new InvalidInputException(
                $"The tokenizer in {directory} has {tokenizer.VocabSize} ids but the model's vocab_size is {modelVocabSize}: "
                + "it is the tokenizer of another model; put the files of this model's tokenizer into the folder.");
        }
    }

    private static ITokenizer Load(TokenizerFiles files)
    {
        if (files.Has(ChatGlmTokenizer.FileName))
            return ChatGlmTokenizer.Load(files);
        if (files.Has(GlmTokenizer.FileName))
            return GlmTokenizer.Load(files);
        if (files.Has(TokenizerFiles.SentencePiece) && !(files.Has("tokenizer.json") && !files.IsSentencePiece(TokenizerFiles.SentencePiece)))
            return ChatGlm2Tokenizer.IsOf(files) ? ChatGlm2Tokenizer.Load(files) : LoadSentencePiece(files, TokenizerFiles.SentencePiece);
        if (files.Has(TokenizerFiles.PaddleSentencePiece))
            return LoadSentencePiece(files, TokenizerFiles.PaddleSentencePiece);
        if (files.Has("tokenizer.json"))
            return LoadHuggingFace(files);
        if (files.Has("vocab.json") && files.Has("merges.txt"))
            return LoadGpt2(files);
        string[] others = [.. Directory.EnumerateFiles(files.Directory).Select(path => Path.GetFileName(path)).Order(StringComparer.Ordinal)];
        if (others.FirstOrDefault(name => name.EndsWith(".tiktoken", StringComparison.Ordinal)) is { } ranks)
            return QwenTokenizer.Load(files, ranks);
        string[] models = [.. others.Where(name => name.EndsWith(".model", StringComparison.Ordinal))];
        return models.Length switch
        {
            1 => LoadSentencePiece(files, models[0]),
            0 => throw new InvalidInputException(
                $"The folder {files.Directory} has no tokenizer; looked for {ChatGlmTokenizer.FileName}, {GlmTokenizer.FileName}, tokenizer.model, "
                + "tokenizer.json, vocab.json with merges.txt, *.tiktoken and *.model."),
            _ => throw new InvalidInputException($"The folder {files.Directory} has several sentencepiece models ({string.Join(", ", models)}); keep the one to be used."),
        };
    }

    private static SentencePieceTokenizer LoadSentencePiece(TokenizerFiles files, string name)
    {
        var model = SentencePieceModel.Parse(files.ReadBytes(name), files.PathOf(name));
        return new SentencePieceTokenizer(model, SentencePieceSpecials.Read(files, model, addBos: true));
    }

    private static HuggingFaceTokenizer LoadHuggingFace(TokenizerFiles files)
    {
        const string Name = "tokenizer.json";
        var definition = TokenizerDefinition.Read(files.ReadJson(Name), files.PathOf(Name));
        int? IdOf(string token) => definition.IdOf.TryGetValue(token, out int id) ? id : null;
        var special = SpecialTokenReader.Read(files, definition.Added, IdOf, new(null, null, null, AddBos: false));
        // What is added around a text and which tokens are recognised is said by this file; the others say only which token is what.
        return new HuggingFaceTokenizer(definition, special with
        {
            Added = definition.Added,
            Prefix = definition.Surroundings.Prefix,
            Suffix = definition.Surroundings.Suffix,
        });
    }

    private static ByteLevelTokenizer LoadGpt2(TokenizerFiles files)
    {
        const string VocabularyName = "vocab.json", MergesName = "merges.txt";
        var idOf = VocabularyFile.Read(files.ReadJson(VocabularyName), files.PathOf(VocabularyName));
        string?[] tokens = VocabularyFile.ById(idOf, files.PathOf(VocabularyName));
        var vocabulary = new ByteLevelVocabulary([.. tokens.Select(token => token is null ? null : ByteAlphabet.BytesOf(token))]);
        if (vocabulary.MissingBytes.Any())
            throw new InvalidInputException($"{files.PathOf(VocabularyName)} is no byte-level vocabulary: it has no token for the byte 0x{vocabulary.MissingBytes.First():X2}.");
        string mergesText = System.Text.Encoding.UTF8.GetString(files.ReadBytes(MergesName));
        var merges = MergesFile.Parse(mergesText, files.PathOf(MergesName));
        MergesFile.Check(merges, idOf, files.PathOf(MergesName));
        return new ByteLevelTokenizer(
            vocabulary, new PairMerger(idOf, merges), new Gpt2Splitter(), GptSpecials.Read(files, idOf), new ByteLevelOptions { WritesBytes = true });
    }
}
