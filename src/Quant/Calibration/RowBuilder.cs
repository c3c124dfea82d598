using Generated.Passes;
using Generated.Tokenization;

namespace Generated.Quant.Calibration;

/// <summary>
/// Puts special tokens around text as a model wants them: BOS in front, or, where the model's input scheme refuses that, what its
/// tokenizer adds to a prompt (ChatGLM's <c>[gMASK] sop</c>) behind.
/// </summary>
internal sealed class RowBuilder
{
    private readonly int[] _before = [];
    private readonly int[] _behind = [];

    /// <param name="tokenizer">The checkpoint's.</param>
    /// <param name="inputs">The model's.</param>
    /// <exception cref="InvalidInputException">The model takes rows in neither form.</exception>
    public RowBuilder(ITokenizer tokenizer, IInputScheme inputs)
    {
        var start = tokenizer.BosId ?? (tokenizer.EosIds.Count > 0 ? tokenizer.EosIds[0] : (int?)null);
        _before = start is { } bos ? [bos] : [];
        var text = tokenizer.Encode("a");
        if (Refusal(inputs, Around(text)) is not { } refusal)
            return;
        (_before, _behind) = ([], [.. tokenizer.Encode("", addSpecial: true)]);
        if (Refusal(inputs, Around(text)) is not null)
            throw refusal;
    }

    /// <summary>Tokens of a row that are not text.</summary>
    public int Specials => _before.Length + _behind.Length;

    /// <summary>A row of text.</summary>
    public int[] Around(IEnumerable<int> text) => [.. _before, .. text, .. _behind];

    /// <summary>A row of a prompt and what follows it.</summary>
    public int[] Around(IEnumerable<int> prompt, IEnumerable<int> answer) => [.. _before, .. prompt, .. _behind, .. answer];

    private static InvalidInputException? Refusal(IInputScheme inputs, int[] row)
    {
        try
        {
            if (row.Length > 0)
                inputs.Prompt(TokenBatch.LeftPadded([row], 0));
            return null;
        }
        catch (InvalidInputException e)
        {
            return e;
        }
    }
}
