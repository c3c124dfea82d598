namespace Generated.Generation;

/// <summary>One step of one row: the token and the text that has become certain with it.</summary>
/// <param name="Row">Row of the batch.</param>
/// <param name="Id">The token.</param>
/// <param name="Text">Text that is now certain; possibly empty, as half a character and what may be a stop string are held back.</param>
/// <param name="Finish">Why the row ends here; <see cref="FinishReason.None"/> while it goes on.</param>
public readonly record struct GeneratedPiece(int Row, int Id, string Text, FinishReason Finish);

/// <summary>A finished row.</summary>
/// <param name="Ids">The new tokens, the end-of-sequence token included where one came.</param>
/// <param name="Text">The new text, without stop string and end-of-sequence token.</param>
/// <param name="Finish">Why it ended.</param>
public sealed record GeneratedText(IReadOnlyList<int> Ids, string Text, FinishReason Finish);
