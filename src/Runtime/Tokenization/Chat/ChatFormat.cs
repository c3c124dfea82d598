namespace Generated.Tokenization.Chat;

/// <summary>How a chat model wants a conversation written: its <c>chat_template</c>, or the built-in format of its family.</summary>
public abstract class ChatFormat
{
    /// <summary>ChatGLM-6B: numbered rounds from 0; a first question stands alone.</summary>
    public static ChatFormat ChatGlm { get; } = new ChatGlmFormat(firstRound: 0, gap: "\n", firstStandsAlone: true);

    /// <summary>ChatGLM2-6B: numbered rounds from 1.</summary>
    public static ChatFormat ChatGlm2 { get; } = new ChatGlmFormat(firstRound: 1, gap: "\n\n", firstStandsAlone: false);

    /// <summary>ChatML as Qwen-Chat writes it, with its default system message.</summary>
    public static ChatFormat ChatMl { get; } = new ChatMlFormat();

    /// <summary>Llama-2-Chat: [INST] and &lt;&lt;SYS&gt;&gt;.</summary>
    public static ChatFormat Llama2 { get; } = new Llama2Format();

    /// <summary>Baichuan-13B-Chat (1) and Baichuan2-Chat (2): one token before each message.</summary>
    /// <param name="version">1 or 2.</param>
    /// <param name="userToken">How the vocabulary writes the user's token.</param>
    /// <param name="assistantToken">How it writes the assistant's.</param>
    public static ChatFormat Baichuan(int version, string userToken, string assistantToken) => new BaichuanFormat(version, userToken, assistantToken);

    /// <summary>A template as a format.</summary>
    /// <param name="template">The template.</param>
    /// <param name="variables">Its string variables (<c>bos_token</c>, <c>eos_token</c>, ...).</param>
    public static ChatFormat FromTemplate(ChatTemplate template, IReadOnlyDictionary<string, string> variables)
    {
        ArgumentNullException.ThrowIfNull(template);
        ArgumentNullException.ThrowIfNull(variables);
        return new TemplateFormat(template, variables);
    }

    /// <summary>
    /// The format of a checkpoint: the template in <c>chat_template.jinja</c>, <c>chat_template.json</c> or
    /// <c>tokenizer_config.json</c>; else its family's own, as far as the files tell that it is a chat model; else null.
    /// </summary>
    /// <exception cref="InvalidInputException">A file is damaged, or its template uses what is not supported.</exception>
    public static ChatFormat? Load(string directory, ITokenizer tokenizer)
    {
        ArgumentException.ThrowIfNullOrEmpty(directory);
        ArgumentNullException.ThrowIfNull(tokenizer);
        return ChatFormatReader.Read(new TokenizerFiles(directory), tokenizer);
    }

    /// <summary>Tokens that end an answer beside the tokenizer's own end token.</summary>
    public virtual IReadOnlyList<string> StopTokens => [];

    /// <summary>Writes a conversation as text, special tokens by name.</summary>
    /// <param name="messages">The conversation.</param>
    /// <param name="addGenerationPrompt">Whether to end with the beginning of the assistant's answer.</param>
    /// <exception cref="InvalidInputException">The format has no place for a message (its role, its order).</exception>
    public abstract string Render(IReadOnlyList<ChatMessage> messages, bool addGenerationPrompt);

    /// <summary>Writes a conversation as ids, with the special tokens that the family's own chat code adds.</summary>
    public virtual IReadOnlyList<int> Encode(ITokenizer tokenizer, IReadOnlyList<ChatMessage> messages, bool addGenerationPrompt)
    {
        ArgumentNullException.ThrowIfNull(tokenizer);
        return tokenizer.EncodePrompt(Render(messages, addGenerationPrompt));
    }

    private sealed class TemplateFormat(ChatTemplate template, IReadOnlyDictionary<string, string> variables) : ChatFormat
    {
        public override string Render(IReadOnlyList<ChatMessage> messages, bool addGenerationPrompt)
            => template.Render(messages, addGenerationPrompt, variables);
    }
}
