using Generated.Kernels;
using Generated.Native;
using TorchSharp;
using static TorchSharp.torch;

namespace Generated.Layers;

/// <summary>Linear layers for few rows: on the CPU the project's own matrix-vector kernels, elsewhere libtorch.</summary>
internal static unsafe class FewRows
{
    /// <summary>Above this libtorch's matrix-matrix product is faster.</summary>
    private const int MostRows = 8;

    /// <summary>y = x·Wᵀ + b for x [.., in] of any type, without gradients; the caller's.</summary>
    public static Tensor Multiply(Tensor x, Tensor weight, Tensor? bias)
    {
        var (inWidth, outWidth) = ((int)weight.shape[1], (int)weight.shape[0]);
        var rows = (int)(x.numel() / inWidth);
        if (rows > MostRows || x.device_type != DeviceType.CPU || Format(weight.dtype) is not { } format || x.dtype != weight.dtype || !weight.is_contiguous())
            return nn.functional.linear(x, weight, bias);
        long[] shape = [.. x.shape[..^1], outWidth];
        using var wide = Wide(x);
        using var wideBias = bias is null ? null : Wide(bias);
        var y = empty(shape, ScalarType.Float32, x.device);
        MatVec.Multiply(
            format, (void*)TorchSharpExports.Address(weight), (float*)TorchSharpExports.Address(wide),
            wideBias is null ? null : (float*)TorchSharpExports.Address(wideBias), (float*)TorchSharpExports.Address(y), rows, inWidth, outWidth);
        GC.KeepAlive(weight);
        if (x.dtype == ScalarType.Float32)
            return y;
        using (y)
            return y.to(x.dtype);
    }

    private static WeightFormat? Format(ScalarType dtype) => dtype switch
    {
        ScalarType.Float32 => WeightFormat.Float32,
        ScalarType.BFloat16 => WeightFormat.BFloat16,
        ScalarType.Float16 => WeightFormat.Float16,
        _ => null,
    };

    /// <summary>Contiguous float32; the caller's.</summary>
    private static Tensor Wide(Tensor x) =>
        x.dtype != ScalarType.Float32 ? x.to(ScalarType.Float32) : x.is_contiguous() ? x.alias() : x.contiguous();
}
