using Generated.Passes;
using static TorchSharp.torch;

namespace Generated.Quant.Pipeline;

/// <summary>The first row of tokens at a unit, without padding: what proofs and measurements run on.</summary>
/// <param name="row">Its ids.</param>
/// <param name="scheme">The model's input scheme.</param>
/// <param name="read">Gives what the unit gets for it: ids [1, T] or hidden states [1, T, width], the taker's.</param>
internal sealed class UnitPrompt(int[] row, IInputScheme scheme, Func<Tensor> read)
{
    /// <summary>The whole row: its input (the caller's) and its positions and mask.</summary>
    public (Tensor Input, SequenceInputs Inputs) FirstRow() => FirstTokens(row.Length);

    /// <summary>The beginning of the row; all of it where the model does not take a beginning.</summary>
    public (Tensor Input, SequenceInputs Inputs) FirstTokens(int most)
    {
        var length = Math.Min(most, row.Length);
        SequenceInputs inputs;
        try
        {
            inputs = scheme.Prompt(TokenBatch.LeftPadded([row[..length]], 0));
        }
        catch (InvalidInputException) when (length < row.Length)
        {
            (length, inputs) = (row.Length, scheme.Prompt(TokenBatch.LeftPadded([row], 0)));
        }

        using var all = read();
        using var tokens = all.narrow(1, 0, length);
        return (tokens.contiguous(), inputs);
    }
}
