using Generated.Passes;
using TorchSharp;
using static TorchSharp.torch;

namespace Generated.Layers;

/// <summary>
/// Log-n attention (Su, 2021; Qwen): the query of the n-th token of a row is multiplied by log(n) / log(trained length)
/// past the trained length. Off while training.
/// </summary>
public sealed class LogN
{
    private readonly int _trainedLength;

    /// <param name="build">The model being built.</param>
    /// <param name="trainedLength">Length the model was trained for, in tokens.</param>
    public LogN(BuildContext build, int trainedLength)
    {
        ArgumentNullException.ThrowIfNull(build);
        _trainedLength = trainedLength > 1
            ? trainedLength
            : throw new InvalidInputException($"Log-n attention needs a trained length of at least 2 tokens, not {trainedLength}.");
    }

    /// <summary>Scales queries x [B, T, width]; the result is the caller's.</summary>
    public Tensor Apply(Tensor x, PassContext pass)
    {
        if (pass.Training || pass.MaxPosition < _trainedLength)
            return x.alias();
        using var factors = Factors(x, pass);
        return x.mul(factors);
    }

    /// <summary>The same for one new token per row.</summary>
    public Tensor Decode(Tensor x, PassContext pass) => Apply(x, pass);

    /// <summary>The same by plain operators.</summary>
    public Flow Eager(Flow x) => x.Context.Training ? x : x.With(x.Value * Factors(x.Value, x.Context));

    private Tensor Factors(Tensor x, PassContext pass)
    {
        using var _ = no_grad();
        using var scope = NewDisposeScope();
        var counts = pass.Positions(x.device).to(ScalarType.Float32) + 1;
        var factors = (counts.log() / Math.Log(_trainedLength)).clamp(min: 1);
        return factors.unsqueeze(-1).to(x.dtype).MoveToOuterDisposeScope();
    }
}
