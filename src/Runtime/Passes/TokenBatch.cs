using static TorchSharp.torch;

namespace Generated.Passes;

/// <summary>Token ids of several rows, padded to one length, as they enter a model.</summary>
public sealed class TokenBatch
{
    /// <param name="rows">Number of rows, 1 or more.</param>
    /// <param name="length">Number of columns, 1 or more.</param>
    /// <param name="ids">Token ids, row after row.</param>
    /// <param name="mask">Which of them are real (the others are padding), row after row; null if all are.</param>
    public TokenBatch(int rows, int length, IReadOnlyList<long> ids, IReadOnlyList<bool>? mask = null)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(rows, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(length, 1);
        if (ids.Count != (long)rows * length)
            throw new ArgumentException($"{ids.Count} ids are not {rows} × {length}.", nameof(ids));
        if (mask is not null && mask.Count != ids.Count)
            throw new ArgumentException($"The mask has {mask.Count} entries for {ids.Count} ids.", nameof(mask));
        (Rows, Length) = (rows, length);
        Ids = ids;
        Mask = mask?.All(real => real) == true ? null : mask;
    }

    /// <summary>Number of rows.</summary>
    public int Rows { get; }

    /// <summary>Number of columns.</summary>
    public int Length { get; }

    /// <summary>Token ids, row after row.</summary>
    public IReadOnlyList<long> Ids { get; }

    /// <summary>Which ids are real, row after row; null if all are.</summary>
    public IReadOnlyList<bool>? Mask { get; }

    /// <summary>The id in a column of a row.</summary>
    public long this[int row, int column] => Ids[row * Length + column];

    /// <summary>Whether the id in a column of a row is real.</summary>
    public bool IsReal(int row, int column) => Mask is null || Mask[row * Length + column];

    /// <summary>Rows of different lengths, padded on the left.</summary>
    /// <param name="rows">The ids of each row; none is empty.</param>
    /// <param name="padId">The id that fills up; it is never attended to.</param>
    public static TokenBatch LeftPadded(IReadOnlyList<IReadOnlyList<int>> rows, int padId) => Padded(rows, padId, _ => 0);

    /// <summary>Rows of different lengths, the padding of each in one place.</summary>
    /// <param name="rows">The ids of each row; none is empty.</param>
    /// <param name="padId">The id that fills up; it is never attended to.</param>
    /// <param name="before">Of a row, the index of the id before which its padding stands.</param>
    /// <exception cref="InvalidInputException">A row is empty.</exception>
    public static TokenBatch Padded(IReadOnlyList<IReadOnlyList<int>> rows, int padId, Func<IReadOnlyList<int>, int> before)
    {
        ArgumentNullException.ThrowIfNull(rows);
        ArgumentNullException.ThrowIfNull(before);
        if (rows.Count == 0 || rows.Any(r => r.Count == 0))
            throw new InvalidInputException("A prompt without tokens cannot be run: give at least one token per row.");
        var length = rows.Max(r => r.Count);
        var ids = new long[rows.Count * length];
        var mask = new bool[ids.Length];
        for (var row = 0; row < rows.Count; row++)
        {
            var (pads, at) = (length - rows[row].Count, before(rows[row]));
            for (var column = 0; column < length; column++)
            {
                var isReal = column < at || column >= at + pads;
                ids[row * length + column] = isReal ? rows[row][column < at ? column : column - pads] : padId;
                mask[row * length + column] = isReal;
            }
        }

        return new TokenBatch(rows.Count, length, ids, mask);
    }

    /// <summary>The ids as a tensor, int64 [rows, length]; the caller's.</summary>
    public Tensor ToTensor(Device device)
    {
        using var flat = tensor(Ids.ToArray(), device: device);
        return flat.view(Rows, Length);
    }
}
