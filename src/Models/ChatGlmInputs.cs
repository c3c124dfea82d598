using Generated.Passes;

namespace Generated.Models;

/// <summary>
/// ChatGLM-6B's positions and mask. A prompt ends in gMASK (or MASK) and bos; all before bos see each other. The first
/// position counts tokens up to bos, then stays where the mask token is; the second is 0 before bos and counts from it.
/// </summary>
/// <param name="c">The model's config, for the ids.</param>
public sealed class ChatGlmInputs(ChatGlmConfig c) : IInputScheme
{
    /// <inheritdoc/>
    public SequenceInputs Prompt(TokenBatch batch)
    {
        ArgumentNullException.ThrowIfNull(batch);
        var positions = new long[batch.Rows * batch.Length];
        var blocks = new long[positions.Length];
        var mask = PaddingRules.Mask(batch);
        var prefixEnds = new int[batch.Rows];
        for (var row = 0; row < batch.Rows; row++)
        {
            var start = mask.Starts?[row] ?? 0;
            var bos = Find(batch, row, start, c.BosId)
                ?? throw new InvalidInputException($"Row {row} of the prompt has no bos token (id {c.BosId}); ChatGLM's prompts end in gMASK and bos, so encode text with special tokens.");
            var masked = Find(batch, row, start, c.GMaskId) ?? Find(batch, row, start, c.MaskId)
                ?? throw new InvalidInputException($"Row {row} of the prompt has neither gMASK (id {c.GMaskId}) nor MASK (id {c.MaskId}); encode text with special tokens.");
            prefixEnds[row] = bos;
            for (var column = start; column < batch.Length; column++)
            {
                var at = (row * batch.Length) + column;
                positions[at] = column < bos ? column - start : masked - start;
                blocks[at] = column < bos ? 0 : column - bos + 1;
            }
        }

        return new SequenceInputs(batch.Rows, batch.Length, 0, positions, mask with { PrefixEnds = prefixEnds }, blocks);
    }

    /// <inheritdoc/>
    public SequenceInputs Continue(SequenceInputs previous, int count = 1) => BlankPositions.Continue(previous, count);

    private static int? Find(TokenBatch batch, int row, int start, int id)
    {
        for (var column = start; column < batch.Length; column++)
            if (batch[row, column] == id) return column;
        return null;
    }
}
