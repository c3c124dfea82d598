using static TorchSharp.torch;

namespace Generated;

/// <summary>
/// Powers as products. TorchSharp's <c>pow</c>, and <c>square</c> which calls it, hand a temporary scalar to libtorch without keeping it alive:
/// a garbage collection at the wrong moment frees it while libtorch still compares it, which ends in an internal error.
/// </summary>
internal static class TensorPowers
{
    /// <summary>x², differentiable; the caller's.</summary>
    public static Tensor Squared(this Tensor x) => x.mul(x);

    /// <summary>x³, differentiable; the caller's.</summary>
    public static Tensor Cubed(this Tensor x)
    {
        using var squared = x.mul(x);
        return squared.mul(x);
    }
}
