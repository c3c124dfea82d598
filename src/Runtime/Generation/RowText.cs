using Generated.Tokenization;

namespace Generated.Generation;

/// <summary>Turns one row's tokens into pieces of text and knows when the row ends.</summary>
internal sealed class RowText
{
    private readonly IStreamingDecoder? _decoder;
    private readonly StopMatcher _stops;
    private readonly IReadOnlySet<int> _ends;
    private readonly int _row;
    private int _left;

    /// <param name="row">Row of the batch.</param>
    /// <param name="prompt">The row's prompt; the decoder reads it first, so that the text goes on where the prompt ends.</param>
    /// <param name="tokenizer">The tokenizer; without one texts are empty.</param>
    /// <param name="options">Stop strings and most tokens.</param>
    /// <param name="ends">End-of-sequence ids.</param>
    public RowText(int row, IReadOnlyList<int> prompt, ITokenizer? tokenizer, GenerationOptions options, IReadOnlySet<int> ends)
    {
        _row = row;
        _ends = ends;
        _left = options.MaxTokens;
        _stops = new StopMatcher(options.StopStrings);
        _decoder = tokenizer?.CreateStreamingDecoder();
        foreach (var id in prompt)
            _decoder?.Add(id);
    }

    /// <summary>Whether the row has ended.</summary>
    public bool IsFinished { get; private set; }

    /// <summary>Adds a token.</summary>
    /// <param name="id">The token.</param>
    /// <param name="isFull">Whether the model's longest sequence is reached with it.</param>
    public GeneratedPiece Add(int id, bool isFull)
    {
        var isEnd = _ends.Contains(id);
        var text = isEnd || _decoder is null ? "" : _stops.Add(_decoder.Add(id));
        var finish = isEnd ? FinishReason.Eos
            : _stops.IsStopped ? FinishReason.StopString
            : --_left == 0 ? FinishReason.MaxTokens
            : isFull ? FinishReason.ContextLength
            : FinishReason.None;
        IsFinished = finish != FinishReason.None;
        if (IsFinished && !_stops.IsStopped)
        {
            text += _stops.Add(_decoder?.Flush() ?? "");
            if (_stops.IsStopped)
                finish = FinishReason.StopString;
            else
                text += _stops.Flush();
        }

        return new GeneratedPiece(_row, id, text, finish);
    }
}
