using System.Globalization;

namespace Generated.Quant.Recipes.Rules;

/// <summary>
/// How a recipe names linears: by a declared path or its end (<c>Head</c>, as <c>nameof</c> gives it), or a pattern with <c>*</c>; with
/// <c>@3</c> only those of block 3.
/// </summary>
internal sealed record LayerPattern
{
    private const string Block = "{i}";

    private LayerPattern(string text, int? index) => (Text, Index) = (text, index);

    /// <summary>Path or pattern, without the block.</summary>
    public string Text { get; }

    /// <summary>Index of the block; null for every block.</summary>
    public int? Index { get; }

    /// <summary>Whether it is the path of one linear.</summary>
    public bool IsExact => Text.IndexOf('*') < 0;

    /// <summary>Null where what follows <c>@</c> is no index.</summary>
    public static LayerPattern? Parse(string text)
    {
        var at = text.LastIndexOf('@');
        if (at < 0)
            return new LayerPattern(text, null);
        return int.TryParse(text.Substring(at + 1), NumberStyles.None, CultureInfo.InvariantCulture, out var index)
            ? new LayerPattern(text.Substring(0, at), index)
            : null;
    }

    /// <summary>Whether it names the linear of a block.</summary>
    /// <param name="path">Declared path.</param>
    /// <param name="name">Checkpoint name, with <c>{i}</c> in a block.</param>
    /// <param name="block">Index of the block; −1 outside blocks.</param>
    public bool Names(string path, string name, int block) =>
        (Index is not { } index || index == block) && Fits(path, name, block < 0 ? null : block);

    /// <summary>Whether it is a path's end, from one of its names on.</summary>
    private bool IsEnd(string path) =>
        path.EndsWith(Text, StringComparison.Ordinal) && (path.Length == Text.Length || (Text.Length > 0 && path[path.Length - Text.Length - 1] == '.'));

    private bool Fits(string path, string name, int? block)
    {
        if (IsExact)
            return IsEnd(path);
        return Fits(Text, path) || Fits(Text, block is { } index ? name.Replace(Block, index.ToString(CultureInfo.InvariantCulture)) : name);
    }

    /// <summary>Matches <c>*</c> with any characters, in time that grows with the product of the lengths at most.</summary>
    private static bool Fits(string pattern, string text)
    {
        var (p, t, star, resume) = (0, 0, -1, 0);
        while (t < text.Length)
        {
            if (p < pattern.Length && pattern[p] == '*')
                (star, resume) = (p++, t);
            else if (p < pattern.Length && pattern[p] == text[t])
                (p, t) = (p + 1, t + 1);
            else if (star >= 0)
                (p, t) = (star + 1, ++resume);
            else
                return false;
        }

        while (p < pattern.Length && pattern[p] == '*')
            p++;
        return p == pattern.Length;
    }
}
