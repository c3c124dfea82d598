using TorchSharp;
using static TorchSharp.torch;

namespace Generated.Quant.Qat;

/// <summary>Gradients of functions that have none of use (Bengio et al., 2013).</summary>
internal static class StraightThrough
{
    /// <summary>The value of <paramref name="value"/> with the gradient of <paramref name="smooth"/>.</summary>
    public static Tensor Value(Tensor smooth, Tensor value) => smooth + (value - smooth).detach();

    /// <summary>x with its gradient multiplied.</summary>
    public static Tensor ScaledGradient(Tensor x, double factor)
    {
        var scaled = x * factor;
        return scaled + (x - scaled).detach();
    }
}
