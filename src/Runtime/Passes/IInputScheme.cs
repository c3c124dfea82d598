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
}
