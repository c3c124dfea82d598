namespace Generated.Tokenization.Chat.Jinja;

/// <summary>A template that is damaged, uses what is not supported, or refuses its messages.</summary>
internal sealed class JinjaException(string message, int line) : InvalidInputException($"Chat template, line {line}: {message}");
