using Generated.Architectures;
using Generated.Passes;
using static TorchSharp.torch;

namespace Generated.Quant.Pipeline;

/// <summary>A prompt for the time of a unit where a run has no tokens: what a value is makes no difference to it.</summary>
internal static class SyntheticPrompt
{
    /// <summary>Some hidden states in front of a block, or of what is behind the blocks.</summary>
    public static UnitPrompt Of(ModelStructure structure, IInputScheme scheme, Device device)
    {
        // What the first linear of a block reads is as wide as the hidden states: it comes from them or from their norm.
        var width = structure.Linears.First(linear => linear.Name.Contains("{i}", StringComparison.Ordinal)).Input;
        return new UnitPrompt(new int[DecodeTime.Prompt], new AnyPrompt(scheme), () =>
        {
            using var scope = NewDisposeScope();
            return arange((long)DecodeTime.Prompt * width, ScalarType.Float32, device).sin().view(1, DecodeTime.Prompt, width).MoveToOuterDisposeScope();
        });
    }

    /// <summary>Inputs of any ids: those that lack an architecture's special tokens are plain causal text to it.</summary>
    private sealed class AnyPrompt(IInputScheme scheme) : IInputScheme
    {
        public SequenceInputs Prompt(TokenBatch batch)
        {
            try
            {
                return scheme.Prompt(batch);
            }
            catch (InvalidInputException)
            {
                var positions = Enumerable.Range(0, batch.Length).Select(i => (long)i).ToArray();
                return new SequenceInputs(1, batch.Length, 0, positions, AttentionMask.Causal, new long[batch.Length]);
            }
        }

        public SequenceInputs Continue(SequenceInputs previous, int count = 1) => scheme.Continue(previous, count);
    }
}
