namespace Generated.Tokenization.Chat;

/// <summary>One message of a conversation.</summary>
/// <param name="Role">"system", "user" or "assistant" (a template may know others).</param>
/// <param name="Content">Its text.</param>
public sealed record ChatMessage(string Role, string Content);
