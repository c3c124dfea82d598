using Generated.Generation;
using Generated.Passes;

namespace Generated.Training;

/// <summary>Where a run is in its data.</summary>
/// <param name="Epoch">Complete rounds over the data.</param>
/// <param name="Index">Windows used in this round.</param>
public readonly record struct DataPosition(long Epoch, int Index);

/// <summary>
/// Training batches from one long token stream: it is cut into windows, which come in a new random order each epoch. The order follows
/// from seed and epoch alone, so a position is all that a resumed run needs.
/// </summary>
public sealed class TokenBatches
{
    private readonly IReadOnlyList<int> _tokens;
    private readonly int[] _order;
    private readonly int? _bos;
    private readonly int _step;
    private readonly ulong _seed;
    private DataPosition _position;

    /// <param name="tokens">The stream; documents follow each other.</param>
    /// <param name="window">Tokens of a window.</param>
    /// <param name="batch">Windows of a batch.</param>
    /// <param name="seed">Decides the order.</param>
    /// <param name="bos">A token in front of each window, part of its length; null for none.</param>
    /// <exception cref="InvalidInputException">The stream is shorter than one window.</exception>
    public TokenBatches(IReadOnlyList<int> tokens, int window, int batch, ulong seed = 0, int? bos = null)
    {
        ArgumentNullException.ThrowIfNull(tokens);
        if (window < 2)
            throw new InvalidInputException($"window is {window}; it has to be at least 2.");
        if (batch < 1)
            throw new InvalidInputException($"batch is {batch}; it has to be at least 1.");
        _tokens = tokens;
        _bos = bos;
        _seed = seed;
        (Window, BatchSize) = (window, batch);
        _step = bos is null ? window : window - 1;
        // The last window that is not whole would need padding; it is left out, as it is one of many.
        _order = new int[tokens.Count / _step];
        if (_order.Length == 0)
            throw new InvalidInputException($"The text has {tokens.Count} tokens, which is less than one window of {window}.");
        Position = default;
    }

    /// <summary>Tokens of a window.</summary>
    public int Window { get; }

    /// <summary>Windows of a batch.</summary>
    public int BatchSize { get; }

    /// <summary>Decides the order.</summary>
    public ulong Seed => _seed;

    /// <summary>Windows of an epoch.</summary>
    public int WindowsPerEpoch => _order.Length;

    /// <summary>Where the next batch starts. Setting it continues from there.</summary>
    /// <exception cref="InvalidInputException">The position lies outside the data: it belongs to other data or another window.</exception>
    public DataPosition Position
    {
        get => _position;
        set
        {
            if (value.Epoch < 0 || value.Index < 0 || value.Index >= _order.Length)
                throw new InvalidInputException($"Position {value.Index} of epoch {value.Epoch} is not in data of {_order.Length} windows: resume with the same text and window.");
            _position = value;
            Shuffle();
        }
    }

    /// <summary>The next batch, [<see cref="BatchSize"/>, <see cref="Window"/>].</summary>
    public TokenBatch Next()
    {
        var ids = new long[BatchSize * Window];
        for (var row = 0; row < BatchSize; row++)
        {
            var target = ids.AsSpan(row * Window, Window);
            if (_bos is { } bos)
            {
                target[0] = bos;
                target = target[1..];
            }

            var start = _order[_position.Index] * _step;
            for (var i = 0; i < target.Length; i++)
                target[i] = _tokens[start + i];
            Advance();
        }

        return new TokenBatch(BatchSize, Window, ids);
    }

    private void Advance()
    {
        _position = _position with { Index = _position.Index + 1 };
        if (_position.Index < _order.Length)
            return;
        _position = new DataPosition(_position.Epoch + 1, 0);
        Shuffle();
    }

    private void Shuffle()
    {
        for (var i = 0; i < _order.Length; i++)
            _order[i] = i;
        new Xoshiro256(unchecked(_seed * 0x9E3779B97F4A7C15 + (ulong)_position.Epoch)).Shuffle<int>(_order);
    }
}
