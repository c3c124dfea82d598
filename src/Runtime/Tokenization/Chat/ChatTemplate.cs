using Generated.Tokenization.Chat.Jinja;

namespace Generated.Tokenization.Chat;

/// <summary>
/// A <c>chat_template</c> of Hugging Face: Jinja, as far as such templates use it (if, for, set, macro, namespaces, filters, tests,
/// methods, slices, whitespace control). What is not supported is refused by name and line.
/// </summary>
/// <remarks>Language: https://jinja.palletsprojects.com/en/stable/templates; settings and additions: transformers' chat_template_utils.py.</remarks>
public sealed class ChatTemplate
{
    private readonly IReadOnlyList<Statement> _statements;

    private ChatTemplate(string source, IReadOnlyList<Statement> statements) => (Source, _statements) = (source, statements);

    /// <summary>The template's text.</summary>
    public string Source { get; }

    /// <summary>Parses a template.</summary>
    /// <exception cref="InvalidInputException">The template is damaged or uses a statement that is not supported.</exception>
    public static ChatTemplate Parse(string source)
    {
        ArgumentNullException.ThrowIfNull(source);
        return new ChatTemplate(source, TemplateParser.Parse(source));
    }

    /// <summary>Renders a conversation.</summary>
    /// <param name="messages">The conversation.</param>
    /// <param name="addGenerationPrompt">Whether to end with the beginning of the assistant's answer.</param>
    /// <param name="variables">Further variables as strings: <c>bos_token</c>, <c>eos_token</c> and the like.</param>
    /// <exception cref="InvalidInputException">The template refuses the messages or cannot be carried out.</exception>
    public string Render(IReadOnlyList<ChatMessage> messages, bool addGenerationPrompt, IReadOnlyDictionary<string, string>? variables = null)
    {
        ArgumentNullException.ThrowIfNull(messages);
        var names = new Dict();
        foreach (var (name, value) in variables ?? new Dictionary<string, string>())
            names[name] = value;
        names["messages"] = messages.Select(m => (object?)new Dict { ["role"] = m.Role, ["content"] = m.Content }).ToList();
        names["add_generation_prompt"] = addGenerationPrompt;
        return Render(names);
    }

    /// <summary>Renders with any variables.</summary>
    internal string Render(Dict variables)
    {
        // Hugging Face always passes these two; templates ask whether they are there.
        variables.TryAdd("tools", null);
        variables.TryAdd("documents", null);
        return Interpreter.Render(_statements, variables);
    }
}
