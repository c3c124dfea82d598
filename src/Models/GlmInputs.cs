using Generated.Passes;

namespace Generated.Models;

/// <summary>
/// GLM's positions and mask. The text up to the start-of-piece token is a prefix that sees itself; from that token on the
/// first position stays where the mask token is and the second counts from 1. Padding lies between prefix and
/// start-of-piece. Without a start-of-piece token the model is a plain causal decoder, and padding is on the left.
/// </summary>
/// <param name="c">The model's config, for the ids.</param>
public sealed class GlmInputs(GlmConfig c) : IInputScheme
{
    /// <inheritdoc/>
    public SequenceInputs Prompt(TokenBatch batch)
    {
        ArgumentNullException.ThrowIfNull(batch);
        var positions = new long[batch.Rows * batch.Length];
        var blocks = new long[positions.Length];
        var prefixEnds = new int[batch.Rows];
        var padding = PaddingRules.Mask(batch);
        for (var row = 0; row < batch.Rows; row++)
        {
            var (piece, masked) = (-1, -1);
            var start = padding.Starts?[row] ?? 0;
            for (var column = start; column < batch.Length; column++)
            {
                if (!batch.IsReal(row, column)) continue;
                if (piece < 0 && batch[row, column] == c.StartOfPieceId) piece = column;
                if (masked < 0 && c.MaskIds.Contains((int)batch[row, column])) masked = column;
            }

            if (piece >= 0 && masked < 0)
                throw new InvalidInputException($"Row {row} of the prompt starts a piece but has no mask token (ids {string.Join(", ", c.MaskIds)}); say where the piece belongs.");
            prefixEnds[row] = Math.Max(piece, 0);
            for (var column = 0; column < batch.Length; column++)
            {
                var at = (row * batch.Length) + column;
                var isGenerated = piece >= 0 && column >= piece;
                positions[at] = Math.Max(0, (isGenerated ? masked : column) - start);
                blocks[at] = isGenerated ? column - piece + 1 : 0;
            }
        }

        return new SequenceInputs(batch.Rows, batch.Length, 0, positions, padding with { PrefixEnds = prefixEnds }, blocks);
    }

    /// <inheritdoc/>
    public TokenBatch Pad(IReadOnlyList<IReadOnlyList<int>> rows, int padId) =>
        TokenBatch.Padded(rows, padId, row => Math.Max(0, row.ToList().IndexOf(c.StartOfPieceId)));

    /// <inheritdoc/>
    public SequenceInputs Continue(SequenceInputs previous, int count = 1) => BlankPositions.Continue(previous, count);
}

/// <summary>How the two positions of blank-filling models go on.</summary>
internal static class BlankPositions
{
    /// <summary>Within a piece the first position stays and the second counts on; without one the first counts on.</summary>
    public static SequenceInputs Continue(SequenceInputs previous, int count)
    {
        var positions = new long[previous.Rows * count];
        var blocks = new long[positions.Length];
        for (var row = 0; row < previous.Rows; row++)
        {
            var last = ((row + 1) * previous.Length) - 1;
            var (position, block) = (previous.Positions[last], previous.BlockPositions![last]);
            for (var i = 0; i < count; i++)
            {
                positions[(row * count) + i] = block > 0 ? position : position + 1 + i;
                blocks[(row * count) + i] = block > 0 ? block + 1 + i : 0;
            }
        }

        return new SequenceInputs(previous.Rows, count, previous.Total, positions, previous.Mask, blocks) { PromptLength = previous.PromptLength };
    }
}
