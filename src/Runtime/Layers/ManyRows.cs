using System.Runtime.Intrinsics;
using Generated.Kernels;
using TorchSharp;
using static TorchSharp.torch;
using F = TorchSharp.torch.nn.functional;

namespace Generated.Layers;

/// <summary>
/// Linear layers for many rows without gradients: on the CPU the project's own kernel where it is the faster one. libtorch's 16-bit
/// products are several times slower than its float32 ones on CPUs that have no instructions for them; there the weight is widened,
/// which costs a fraction of the product.
/// </summary>
internal static class ManyRows
{
    /// <summary>Below this the product costs less than widening the weight.</summary>
    private const int FewestRows = 32;

    private const long TileBytes = 64L << 20;

    /// <summary>y = x·Wᵀ + b; the caller's.</summary>
    public static Tensor Multiply(Tensor x, Tensor weight, Tensor? bias)
    {
        if (MatMul.IsFaster && RowLayout.Rows(x) > FewRows.MostRows && (x.dtype == ScalarType.Float32 || IsSlow(x.dtype)) && CpuLinear.CanRun(x, weight, bias))
            return CpuLinear.MultiplyMany(x, weight, bias);
        if (!IsSlow(weight.dtype) || RowLayout.Rows(x) < FewestRows || !CpuLinear.CanRun(x, weight, bias))
            return F.linear(x, weight, bias);
        return MultiplyWide(x, weight, bias, TileBytes);
    }

    /// <summary>The same by float32 products of at most <paramref name="tileBytes"/> of widened weights.</summary>
    internal static Tensor MultiplyWide(Tensor x, Tensor weight, Tensor? bias, long tileBytes)
    {
        using var wide = x.to(ScalarType.Float32);
        var (outWidth, inWidth) = (weight.size(0), weight.size(1));
        var tile = Math.Clamp(tileBytes / (inWidth * sizeof(float)), 1, outWidth);
        var parts = new List<Tensor>();
        try
        {
            for (var start = 0L; start < outWidth; start += tile)
                parts.Add(Tile(wide, weight, bias, start, Math.Min(tile, outWidth - start)));
            return parts.Count == 1 ? parts[0].alias() : cat(parts, -1);
        }
        finally
        {
            parts.ForEach(p => p.Dispose());
        }
    }

    private static Tensor Tile(Tensor x, Tensor weight, Tensor? bias, long start, long length)
    {
        using var rows = weight.narrow(0, start, length);
        using var wideRows = rows.to(ScalarType.Float32);
        using var part = bias?.narrow(0, start, length);
        using var widePart = part?.to(ScalarType.Float32);
        using var product = F.linear(x, wideRows, widePart);
        return product.to(weight.dtype);
    }

    /// <summary>AVX-512 machines mostly multiply bfloat16 in hardware; float16 none of those that libtorch knows.</summary>
    private static bool IsSlow(ScalarType dtype) =>
        dtype == ScalarType.Float16 || (dtype == ScalarType.BFloat16 && !Vector512.IsHardwareAccelerated);
}
