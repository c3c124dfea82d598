namespace Generated.Quant.Calibration;

/// <summary>Which tokens of a calibration file are used, and how they are cut into rows.</summary>
public sealed record CalibrationOptions
{
    /// <summary>Share of the file's rows that is passed over: rows from ⌈from · N⌉ on are used.</summary>
    public double From { get; init; }

    /// <summary>Rows before ⌈to · N⌉ are used; those behind are held out for the report.</summary>
    public double To { get; init; } = 0.2;

    /// <summary>Most tokens of a row, BOS included.</summary>
    public int Window { get; init; } = 512;

    /// <summary>Most rows; of more, evenly spaced ones are used.</summary>
    public int MaxRows { get; init; } = 512;

    /// <summary>Whether the documents of a JSONL file are joined, an EOS behind each, and cut like one text; otherwise every document begins a row of its own.</summary>
    public bool Pack { get; init; }

    /// <summary>Most tokens of a pass, padding included; a longer row runs alone.</summary>
    public int TokensPerBatch { get; init; } = 2048;

    /// <exception cref="InvalidInputException">A value is out of range.</exception>
    internal void Check()
    {
        if (Window < 2)
            throw new InvalidInputException($"--window is {Window}; it has to be at least 2: a BOS token and one more.");
        if (!(From >= 0 && From < To && To <= 1))
            throw new InvalidInputException(FormattableString.Invariant($"--from {From} --to {To} is no share of a file: 0 ≤ from < to ≤ 1."));
        if (MaxRows < 1)
            throw new InvalidInputException($"--max-rows is {MaxRows}; it has to be at least 1.");
    }
}
