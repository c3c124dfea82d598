namespace Generated.Passes;

/// <summary>Building blocks of input schemes.</summary>
public static class PaddingRules
{
    /// <summary>The mask of a padded batch: padding on the left becomes <see cref="AttentionMask.Starts"/>, a run inside a row <see cref="AttentionMask.Hidden"/>.</summary>
    /// <exception cref="InvalidInputException">A row has no real token, ends in padding, or has more than one run of padding inside.</exception>
    public static AttentionMask Mask(TokenBatch batch)
    {
        ArgumentNullException.ThrowIfNull(batch);
        if (batch.Mask is null)
            return AttentionMask.Causal;
        var starts = new int[batch.Rows];
        var hidden = new (int Start, int End)[batch.Rows];
        for (var row = 0; row < batch.Rows; row++)
        {
            var start = 0;
            while (start < batch.Length && !batch.IsReal(row, start))
                start++;
            if (start == batch.Length)
                throw new InvalidInputException($"Row {row} of the batch is padding only; leave it out.");
            if (!batch.IsReal(row, batch.Length - 1))
                throw new InvalidInputException($"Row {row} of the batch ends in padding; pad on the left.");
            var from = start;
            while (from < batch.Length && batch.IsReal(row, from))
                from++;
            var to = from;
            while (to < batch.Length && !batch.IsReal(row, to))
                to++;
            for (var column = to; column < batch.Length; column++)
                if (!batch.IsReal(row, column))
                    throw new InvalidInputException($"Row {row} of the batch has more than one run of padding between its tokens.");
            starts[row] = start;
            hidden[row] = from < to ? (from, to) : default;
        }

        return new AttentionMask
        {
            Starts = starts.All(s => s == 0) ? null : starts,
            Hidden = hidden.All(h => h == default) ? null : hidden,
        };
    }

    /// <summary>Positions that count on from each row's last one.</summary>
    public static long[] Following(IReadOnlyList<long> positions, int rows, int length, int count)
    {
        var following = new long[rows * count];
        for (var row = 0; row < rows; row++)
            for (var column = 0; column < count; column++)
                following[row * count + column] = positions[row * length + length - 1] + 1 + column;
        return following;
    }
}
