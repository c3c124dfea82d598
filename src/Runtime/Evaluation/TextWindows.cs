namespace Generated.Evaluation;

/// <summary>
/// A text's tokens cut into N consecutive windows of <c>window − 1</c> tokens (the last may be shorter), of which a share is used.
/// Calibration and evaluation cut with the same rule, so that they never see the same tokens.
/// </summary>
public sealed class TextWindows
{
    private readonly IReadOnlyList<int> _tokens;
    private readonly int _step;
    private readonly int _first;

    /// <param name="tokens">The tokens of the whole text, without special tokens.</param>
    /// <param name="window">Tokens of a window, the BOS token in front included.</param>
    /// <param name="from">Share of the windows that is passed over: windows from ⌈from · N⌉ on are used.</param>
    /// <param name="to">Windows before ⌈to · N⌉ are used.</param>
    /// <exception cref="InvalidInputException">A value is out of range, or no window is left.</exception>
    public TextWindows(IReadOnlyList<int> tokens, int window = 512, double from = 0, double to = 1)
    {
        ArgumentNullException.ThrowIfNull(tokens);
        if (window < 2)
            throw new InvalidInputException($"window is {window}; it has to be at least 2: a BOS token and one to score.");
        if (!(from >= 0 && from < to && to <= 1))
            throw new InvalidInputException(FormattableString.Invariant($"from {from} to {to} is no share of a text: 0 ≤ from < to ≤ 1."));
        _tokens = tokens;
        _step = window - 1;
        var all = (tokens.Count + _step - 1) / _step;
        _first = (int)Math.Ceiling(from * all);
        Count = (int)Math.Ceiling(to * all) - _first;
        if (Count <= 0)
            throw new InvalidInputException(FormattableString.Invariant($"The text has {tokens.Count} tokens, of which from {from} to {to} leaves no window of {window}."));
    }

    /// <summary>Number of windows in use.</summary>
    public int Count { get; }

    /// <summary>The tokens of a window in use, BOS in front.</summary>
    /// <param name="index">0 to <see cref="Count"/> − 1.</param>
    /// <param name="bos">The token in front.</param>
    public int[] Window(int index, int bos)
    {
        var start = (_first + index) * _step;
        return [bos, .. _tokens.Skip(start).Take(_step)];
    }
}
