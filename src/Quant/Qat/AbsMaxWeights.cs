using Generated.Quant.Methods;
using Generated.Quant.Recipes;
using Generated.Quant.Weights;
using TorchSharp;
using static TorchSharp.torch;

namespace Generated.Quant.Qat;

/// <summary>
/// Weights rounded to nearest within their present range, per channel or group; nothing is clipped, so that the straight-through
/// gradient is 1 everywhere.
/// </summary>
internal sealed class AbsMaxWeights(WeightFormat format, Rounding rounding) : WeightQuantizer
{
    /// <inheritdoc/>
    public override Tensor Apply(Tensor weight)
    {
        var wide = weight.to_type(ScalarType.Float32);
        return StraightThrough.Value(wide, FakeQuantize.Weight(wide.detach(), format, rounding));
    }

    /// <inheritdoc/>
    public override QuantizedWeight ToIntegers(Tensor weight) => RoundToNearest.Quantize(weight, format, rounding);
}
