using Generated.Tokenization.Splitting;

namespace Generated.Tokenization.HuggingFace;

/// <summary>A part of the text on its way to the model.</summary>
/// <param name="Text">The part.</param>
/// <param name="IsFirst">Whether nothing stands before it in the input.</param>
internal readonly record struct Piece(ReadOnlyMemory<char> Text, bool IsFirst);

/// <summary>A step of tokenizer.json's pre_tokenizer: cuts each piece into smaller ones.</summary>
internal abstract class PreTokenizer
{
    /// <summary>Appends the parts of a piece.</summary>
    public abstract void Split(Piece piece, List<Piece> parts);
}

/// <summary>Cuts without gaps by a hand-written splitter.</summary>
internal sealed class WordPreTokenizer(WordSplitter splitter) : PreTokenizer
{
    public override void Split(Piece piece, List<Piece> parts)
    {
        var text = piece.Text.Span;
        for (int start = 0; start < text.Length;)
        {
            int end = splitter.WordEnd(text, start);
            parts.Add(new Piece(piece.Text[start..end], piece.IsFirst && start == 0));
            start = end;
        }
    }
}

/// <summary>What becomes of the matches of a <see cref="SplitPreTokenizer"/>; names as in tokenizer.json.</summary>
internal enum SplitBehavior
{
    Removed,
    Isolated,
    MergedWithPrevious,
    MergedWithNext,
    Contiguous,
}

/// <summary>Cuts at the matches of a pattern.</summary>
internal sealed class SplitPreTokenizer(PatternMatcher matcher, SplitBehavior behavior, bool invert) : PreTokenizer
{
    public override void Split(Piece piece, List<Piece> parts)
    {
        var matches = new List<(int Start, int End)>();
        matcher.Find(piece.Text.Span, matches);
        foreach (var (start, end) in Arrange(Cover(matches, piece.Text.Length)))
        {
            if (end > start)
                parts.Add(new Piece(piece.Text[start..end], piece.IsFirst && start == 0));
        }
    }

    /// <summary>Matches and the gaps between them.</summary>
    private List<(int Start, int End, bool IsMatch)> Cover(List<(int Start, int End)> matches, int length)
    {
        var cover = new List<(int Start, int End, bool IsMatch)>(matches.Count + 1);
        int position = 0;
        foreach (var (start, end) in matches)
        {
            if (start > position)
                cover.Add((position, start, invert));
            if (end > start)
                cover.Add((start, end, !invert));
            position = end;
        }
        if (position < length)
            cover.Add((position, length, invert));
        return cover;
    }

    private List<(int Start, int End)> Arrange(List<(int Start, int End, bool IsMatch)> cover)
    {
        var parts = new List<(int Start, int End)>(cover.Count);
        for (int i = 0; i < cover.Count; i++)
        {
            var (start, end, isMatch) = cover[i];
            bool joins = behavior switch
            {
                SplitBehavior.MergedWithPrevious => isMatch && i > 0 && !cover[i - 1].IsMatch,
                SplitBehavior.MergedWithNext => !isMatch && i > 0 && cover[i - 1].IsMatch,
                SplitBehavior.Contiguous => i > 0 && isMatch == cover[i - 1].IsMatch,
                _ => false,
            };
            if (isMatch && behavior == SplitBehavior.Removed)
                continue;
            if (joins)
                parts[^1] = (parts[^1].Start, end);
            else
                parts.Add((start, end));
        }
        return parts;
    }
}

/// <summary>Puts a space before a piece that does not begin with one (ByteLevel's add_prefix_space).</summary>
internal sealed class PrefixSpacePreTokenizer : PreTokenizer
{
    public override void Split(Piece piece, List<Piece> parts)
        => parts.Add(piece.Text.Length > 0 && piece.Text.Span[0] == ' ' ? piece : piece with { Text = string.Concat(" ", piece.Text.Span).AsMemory() });
}

/// <summary>When <see cref="MetaspacePreTokenizer"/> puts its character in front.</summary>
internal enum PrependScheme
{
    Always,
    First,
    Never,
}

/// <summary>Writes "▁" (or another character) for the space, in front too, and cuts before each.</summary>
internal sealed class MetaspacePreTokenizer(char replacement, PrependScheme scheme, bool split) : PreTokenizer
{
    public override void Split(Piece piece, List<Piece> parts)
    {
        string text = piece.Text.ToString().Replace(' ', replacement);
        if (!text.StartsWith(replacement) && (scheme == PrependScheme.Always || (scheme == PrependScheme.First && piece.IsFirst)))
            text = replacement + text;
        var memory = text.AsMemory();
        int start = 0;
        for (int end = 1; split && end < text.Length; end++)
        {
            if (text[end] != replacement)
                continue;
            parts.Add(new Piece(memory[start..end], piece.IsFirst && start == 0));
            start = end;
        }
        if (text.Length > 0)
            parts.Add(new Piece(memory[start..], piece.IsFirst && start == 0));
    }
}
