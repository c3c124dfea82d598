using Generated.Layers;
using static TorchSharp.torch;

namespace Generated.Quant.Methods;

/// <summary>A weight in memory.</summary>
/// <param name="weight">[out, in]; the caller's.</param>
internal sealed class TensorRows(Tensor weight) : IWeightRows
{
    /// <inheritdoc/>
    public int OutWidth => (int)weight.shape[0];

    /// <inheritdoc/>
    public int InWidth => (int)weight.shape[1];

    /// <inheritdoc/>
    public Tensor Rows(long start, long count) => weight.narrow(0, start, count);
}
