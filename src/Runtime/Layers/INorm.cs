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

    /// <summary>The same by plain operators.</summary>
    Flow Eager(Flow x);
}
