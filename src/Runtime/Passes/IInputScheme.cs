namespace Generated.Passes;

/// <summary>
/// How positions and mask follow from token ids in an architecture. It has no state: what a following step needs is in the
/// inputs of the step before. A declared scheme takes the model's config by its only constructor; <see cref="CausalInputs"/> takes nothing.
/// </summary>
public interface IInputScheme
{
    /// <summary>Inputs of a prompt, the first pass over a sequence.</summary>
    /// <exception cref="InvalidInputException">The ids do not have the form that the architecture needs, or the padding is in the wrong place.</exception>
    SequenceInputs Prompt(TokenBatch batch);

    /// <summary>Inputs of the <paramref name="count"/> real tokens per row that follow those of an earlier pass (one while generating).</summary>
    SequenceInputs Continue(SequenceInputs previous, int count = 1);

    /// <summary>Prompts of different lengths as one batch, the padding where <see cref="Prompt"/> takes it: on the left, unless a scheme says otherwise.</summary>
    /// <param name="rows">The ids of each row; none is empty.</param>
    /// <param name="padId">The id that fills up; it is never attended to.</param>
    /// <exception cref="InvalidInputException">A row is empty.</exception>
    TokenBatch Pad(IReadOnlyList<IReadOnlyList<int>> rows, int padId) => TokenBatch.LeftPadded(rows, padId);
}
