namespace Generated.Passes;

/// <summary>
/// A causal decoder: positions count the real tokens of a row from 0; padding has position 1, as Hugging Face's generation
/// passes it. Padding may lie on the left, and in one run inside a row.
/// </summary>
public sealed class CausalInputs : IInputScheme
{
    /// <summary>The only instance needed.</summary>
    public static CausalInputs Instance { get; } = new();

    /// <inheritdoc/>
    public SequenceInputs Prompt(TokenBatch batch)
    {
        ArgumentNullException.ThrowIfNull(batch);
        var positions = new long[batch.Rows * batch.Length];
        for (var row = 0; row < batch.Rows; row++)
        {
            var count = 0L;
            for (var column = 0; column < batch.Length; column++)
                positions[row * batch.Length + column] = batch.IsReal(row, column) ? count++ : 1;
        }

        return new SequenceInputs(batch.Rows, batch.Length, 0, positions, PaddingRules.Mask(batch));
    }

    /// <inheritdoc/>
    public SequenceInputs Continue(SequenceInputs previous, int count = 1) =>
        new(previous.Rows, count, previous.Total, PaddingRules.Following(previous.Positions, previous.Rows, previous.Length, count), previous.Mask) { PromptLength = previous.PromptLength };
}
