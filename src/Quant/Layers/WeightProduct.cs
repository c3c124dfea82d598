using Generated.Layers;
using static TorchSharp.torch;

namespace Generated.Quant.Layers;

/// <summary>A device's way to multiply with a quantized weight. Chosen once, when the layer is made.</summary>
internal abstract class WeightProduct : IDisposable
{
    /// <summary>Memory of the weight, in bytes.</summary>
    public abstract long Bytes { get; }

    /// <summary>y = step(x) · Wᵀ + bias without gradients, in x's type; the caller's.</summary>
    /// <param name="x">[.., in].</param>
    /// <param name="bias">[out] float32, or null.</param>
    public abstract Tensor Multiply(Tensor x, Tensor? bias);

    /// <summary>One product in the place of this and others of the same input, or null where they do not go together.</summary>
    /// <param name="members">This one first.</param>
    /// <param name="biases">[out] float32 of each, or null.</param>
    public virtual IJointProduct? Join(IReadOnlyList<WeightProduct> members, IReadOnlyList<Tensor?> biases) => null;

    /// <summary>The weight in float32, [out, in]; the caller's.</summary>
    public abstract Tensor Dequantize();

    public abstract void Dispose();
}
