using System.Globalization;
using System.Text;

namespace Generated.Tokenization.Chat;

/// <summary>ChatGLM-6B and ChatGLM2-6B: 问 and 答 in numbered rounds; the tokenizer adds [gMASK] and sop where each wants them.</summary>
/// <remarks>Originals: ChatGLMForConditionalGeneration.chat of THUDM/chatglm-6b, build_prompt of THUDM/chatglm2-6b.</remarks>
internal sealed class ChatGlmFormat(int firstRound, string gap, bool firstStandsAlone) : ChatFormat
{
    public override string Render(IReadOnlyList<ChatMessage> messages, bool addGenerationPrompt)
    {
        var rounds = Conversation.Read(messages, "ChatGLM", allowsSystem: false).Rounds;
        if (firstStandsAlone && rounds is [(var question, null)])
            return question;
        var text = new StringBuilder();
        for (int i = 0; i < rounds.Count; i++)
        {
            text.Append(CultureInfo.InvariantCulture, $"{(i > 0 ? gap : "")}[Round {i + firstRound}]{gap}问：{rounds[i].Question}");
            if (rounds[i].Answer is not null || addGenerationPrompt)
                text.Append(CultureInfo.InvariantCulture, $"{gap}答：{rounds[i].Answer}");
        }
        return text.ToString();
    }

    public override IReadOnlyList<int> Encode(ITokenizer tokenizer, IReadOnlyList<ChatMessage> messages, bool addGenerationPrompt)
    {
        ArgumentNullException.ThrowIfNull(tokenizer);
        return tokenizer.Encode(Render(messages, addGenerationPrompt), addSpecial: true);
    }
}

/// <summary>A format of texts between special tokens. Each text is encoded by itself, so that what a user writes never becomes a special token.</summary>
internal abstract class PartsFormat(string name) : ChatFormat
{
    /// <summary>The format's name, for messages.</summary>
    protected string Name => name;

    public override string Render(IReadOnlyList<ChatMessage> messages, bool addGenerationPrompt)
        => string.Concat(Parts(messages, addGenerationPrompt).Select(part => part.Text));

    public override IReadOnlyList<int> Encode(ITokenizer tokenizer, IReadOnlyList<ChatMessage> messages, bool addGenerationPrompt)
    {
        ArgumentNullException.ThrowIfNull(tokenizer);
        var ids = new List<int>();
        foreach (var (text, isToken) in Parts(messages, addGenerationPrompt))
        {
            if (!isToken)
                ids.AddRange(tokenizer.Encode(text));
            else
                ids.Add(tokenizer.TokenToId(text) ?? throw new InvalidInputException($"The tokenizer has no token {text}, which the chat format of {name} needs."));
        }
        return ids;
    }

    /// <summary>The conversation, piece by piece.</summary>
    protected abstract List<(string Text, bool IsToken)> Parts(IReadOnlyList<ChatMessage> messages, bool addGenerationPrompt);
}

/// <summary>ChatML: &lt;|im_start|&gt;role, the text, &lt;|im_end|&gt;.</summary>
/// <remarks>Original: make_context in qwen_generation_utils.py of Qwen/Qwen-7B-Chat.</remarks>
internal sealed class ChatMlFormat() : PartsFormat("ChatML")
{
    private const string Start = "<|im_start|>", End = "<|im_end|>", DefaultSystem = "You are a helpful assistant.";

    public override IReadOnlyList<string> StopTokens => [End, Start];

    protected override List<(string Text, bool IsToken)> Parts(IReadOnlyList<ChatMessage> messages, bool addGenerationPrompt)
    {
        ArgumentNullException.ThrowIfNull(messages);
        var parts = new List<(string, bool)>();
        if (messages.Count == 0 || messages[0].Role != "system")
            Append(new ChatMessage("system", DefaultSystem));
        foreach (var message in messages)
            Append(message);
        if (addGenerationPrompt)
            parts.AddRange([(Start, true), ("assistant", false), ("\n", false)]);
        return parts;

        void Append(ChatMessage message) =>
            parts.AddRange([(Start, true), (message.Role, false), ("\n", false), (message.Content, false), (End, true), ("\n", false)]);
    }
}

/// <summary>Llama-2-Chat: each round between BOS and EOS, the system message inside the first question.</summary>
/// <remarks>Original: chat_completion in generation.py of meta-llama/llama.</remarks>
internal sealed class Llama2Format() : PartsFormat("Llama 2")
{
    protected override List<(string Text, bool IsToken)> Parts(IReadOnlyList<ChatMessage> messages, bool addGenerationPrompt)
    {
        var conversation = Conversation.Read(messages, Name, allowsSystem: true);
        var parts = new List<(string, bool)>();
        for (int i = 0; i < conversation.Rounds.Count; i++)
        {
            var (question, answer) = conversation.Rounds[i];
            if (i == 0 && conversation.System is { } system)
                question = $"<<SYS>>\n{system}\n<</SYS>>\n\n{question}";
            parts.AddRange([("<s>", true), ($"[INST] {question.Trim()} [/INST]{(answer is null ? "" : $" {answer.Trim()} ")}", false)]);
            if (answer is not null)
                parts.Add(("</s>", true));
        }
        return parts;
    }
}

/// <summary>Baichuan's chat models: a token of its own before each message; version 1 ends answers with EOS, version 2 has a system message.</summary>
/// <remarks>Originals: _build_chat_input of baichuan-inc/Baichuan-13B-Chat, build_chat_input of baichuan-inc/Baichuan2-7B-Chat.</remarks>
internal sealed class BaichuanFormat(int version, string userToken, string assistantToken) : PartsFormat(version == 1 ? "Baichuan" : "Baichuan2")
{
    private const string EndOfAnswer = "</s>";

    public override IReadOnlyList<string> StopTokens => [userToken];

    protected override List<(string Text, bool IsToken)> Parts(IReadOnlyList<ChatMessage> messages, bool addGenerationPrompt)
    {
        var conversation = Conversation.Read(messages, Name, allowsSystem: version > 1);
        var parts = new List<(string, bool)>();
        if (conversation.System is { } system)
            parts.Add((system, false));
        foreach (var (question, answer) in conversation.Rounds)
        {
            parts.Add((userToken, true));
            parts.Add((question, false));
            if (answer is null)
                continue;
            parts.Add((assistantToken, true));
            parts.Add((answer, false));
            if (version == 1)
                parts.Add((EndOfAnswer, true));
        }
        if (addGenerationPrompt && (version == 1 || conversation.Rounds[^1].Answer is null))
            parts.Add((assistantToken, true));
        return parts;
    }
}
