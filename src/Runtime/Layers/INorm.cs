using Generated.Architectures;
using static TorchSharp.torch;

namespace Generated.Layers;

/// <summary>A norm over the last dimension, as quantization and loading see it.</summary>
public interface INorm : IWeighted
{
    /// <summary>The scale, [width].</summary>
    Parameter Weight { get; }

    /// <summary>The shift, [width], or null.</summary>
    Parameter? Bias { get; }

    /// <summary>Gives the norm a shift of zeros if it has none.</summary>
    void EnsureBias();

    /// <summary>Normalises x [.., width]; the result is the caller's.</summary>
    Tensor Apply(Tensor x);

    /// <summary>The same for one new token per row, without gradients.</summary>
    Tensor Decode(Tensor x);

    /// <summary>x + delta of one new token per row and the norm of that sum, in one operation where there is one; both are the caller's.</summary>
    (Tensor Sum, Tensor Normalised) AddDecode(Tensor x, Tensor delta);

    /// <summary>The same by plain operators.</summary>
    Flow Eager(Flow x);
}

/// <summary>What is added to a mean square before its root is taken.</summary>
internal static class NormEpsilon
{
    /// <summary>Refuses what would make roots of negative numbers.</summary>
    /// <exception cref="InvalidInputException">It is negative or no number.</exception>
    public static double Checked(double epsilon) =>
        epsilon >= 0 && double.IsFinite(epsilon) ? epsilon : throw new InvalidInputException(FormattableString.Invariant($"a norm's ε cannot be {epsilon}: it is 0 or a small positive number."));
}
