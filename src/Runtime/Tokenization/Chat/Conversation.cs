namespace Generated.Tokenization.Chat;

/// <summary>A conversation as the formats without a template know it: an optional system message, then questions and answers in turn.</summary>
/// <param name="System">The system message, or null.</param>
/// <param name="Rounds">Each question with its answer; the last answer may be missing.</param>
internal sealed record Conversation(string? System, IReadOnlyList<(string Question, string? Answer)> Rounds)
{
    /// <summary>Checks the order of messages.</summary>
    /// <param name="messages">The messages.</param>
    /// <param name="format">Name of the format, for messages.</param>
    /// <param name="allowsSystem">Whether it has a place for a system message.</param>
    public static Conversation Read(IReadOnlyList<ChatMessage> messages, string format, bool allowsSystem)
    {
        ArgumentNullException.ThrowIfNull(messages);
        string? system = null;
        var rounds = new List<(string Question, string? Answer)>();
        for (int i = 0; i < messages.Count; i++)
        {
            var message = messages[i];
            bool open = rounds.Count > 0 && rounds[^1].Answer is null;
            switch (message.Role)
            {
                case "system" when i == 0 && allowsSystem:
                    system = message.Content;
                    break;
                case "user" when !open:
                    rounds.Add((message.Content, null));
                    break;
                case "assistant" when open:
                    rounds[^1] = (rounds[^1].Question, message.Content);
                    break;
                default:
                    throw new InvalidInputException(message.Role is "user" or "assistant" || (message.Role == "system" && allowsSystem)
                        ? $"Message {i + 1} ({message.Role}) is out of order: {format} wants {(allowsSystem ? "an optional system message, then " : "")}user and assistant in turn, user first."
                        : $"Message {i + 1} has the role \"{message.Role}\", which {format} does not have.");
            }
        }
        return rounds.Count > 0 ? new Conversation(system, rounds) : throw new InvalidInputException($"The conversation has no user message; {format} needs one.");
    }
}
