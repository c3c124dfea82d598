using TorchSharp;
using static TorchSharp.torch;

namespace Generated.Quant.Layers;

/// <summary>What the products by own CUDA kernels share.</summary>
internal static class DeviceRows
{
    /// <summary>New rows in the place of an input's, [.., width] of its type; the caller's.</summary>
    public static Tensor Empty(Tensor x, int width, Device device) => (int)x.dim() switch
    {
        3 => empty([x.size(0), x.size(1), width], x.dtype, device),
        2 => empty([x.size(0), width], x.dtype, device),
        _ => empty([.. x.shape.AsSpan(0, (int)x.dim() - 1), width], x.dtype, device),
    };

    /// <summary>Keeps weights and biases alive up to here: kernels get addresses.</summary>
    public static void Keep<T>(ReadOnlySpan<T> members, ReadOnlySpan<Tensor?> biases)
        where T : class
    {
        foreach (var member in members)
            GC.KeepAlive(member);
        foreach (var bias in biases)
            GC.KeepAlive(bias);
    }
}
