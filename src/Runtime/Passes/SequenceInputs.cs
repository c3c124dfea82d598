namespace Generated.Passes;

/// <summary>What a pass over some tokens knows of them besides their ids: positions and mask, on the host.</summary>
public sealed class SequenceInputs
{
    /// <param name="rows">Number of rows.</param>
    /// <param name="length">Number of columns of this pass.</param>
    /// <param name="past">Number of columns that earlier passes have put into the cache.</param>
    /// <param name="positions">Position of each token, row after row.</param>
    /// <param name="mask">Which columns a query sees.</param>
    /// <param name="blockPositions">Position within the generated block of each token (GLM), or null.</param>
    public SequenceInputs(int rows, int length, int past, IReadOnlyList<long> positions, AttentionMask mask, IReadOnlyList<long>? blockPositions = null)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(rows, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(length, 1);
        ArgumentOutOfRangeException.ThrowIfNegative(past);
        if (positions.Count != (long)rows * length)
            throw new ArgumentException($"{positions.Count} positions are not {rows} × {length}.", nameof(positions));
        if (blockPositions is not null && blockPositions.Count != positions.Count)
            throw new ArgumentException($"{blockPositions.Count} block positions are not {rows} × {length}.", nameof(blockPositions));
        (Rows, Length, Past) = (rows, length, past);
        Positions = positions;
        BlockPositions = blockPositions;
        Mask = mask;
        PromptLength = Total;
    }

    /// <summary>Number of rows.</summary>
    public int Rows { get; }

    /// <summary>Number of columns of this pass.</summary>
    public int Length { get; }

    /// <summary>Number of columns before them.</summary>
    public int Past { get; }

    /// <summary>Number of columns up to and with this pass's.</summary>
    public int Total => Past + Length;

    /// <summary>Number of columns of the prompt that the sequence began with.</summary>
    public int PromptLength { get; init; }

    /// <summary>Position of each token, row after row.</summary>
    public IReadOnlyList<long> Positions { get; }

    /// <summary>Position of each token within the generated block, row after row; null where the architecture has none.</summary>
    public IReadOnlyList<long>? BlockPositions { get; }

    /// <summary>Which columns a query sees.</summary>
    public AttentionMask Mask { get; }
}
