using Generated.Native;
using TorchSharp;
using static TorchSharp.torch;

namespace Generated.Layers;

/// <summary>How the rows of an activation lie in memory, for kernels on raw pointers.</summary>
internal static unsafe class RowLayout
{
    /// <summary>Whether nobody will ask for a gradient through an operation on this tensor.</summary>
    public static bool NeedsNoGradient(Tensor x) => !x.requires_grad || !is_grad_enabled();

    /// <summary>Features side by side, and rows at one distance from each other, in [.., width] of up to three dimensions.</summary>
    public static bool IsEven(Tensor x)
    {
        // One number at a time: the arrays of Tensor.shape and Tensor.stride() cost a microsecond each.
        var dimensions = (int)x.dim();
        if (dimensions is 0 or > 3 || x.stride(dimensions - 1) != 1)
            return false;
        return dimensions < 3 || x.size(1) == 1 || x.size(0) == 1 || x.stride(0) == x.size(1) * x.stride(1);
    }

    public static int Width(Tensor x) => (int)x.size((int)x.dim() - 1);

    public static int Rows(Tensor x) => (int)(x.numel() / Math.Max(1, x.size((int)x.dim() - 1)));

    /// <summary>Elements from one row to the next.</summary>
    public static long Stride(Tensor x) => (int)x.dim() switch
    {
        1 => x.size(0),
        3 when x.size(1) == 1 => x.stride(0),
        var dimensions => x.stride(dimensions - 2),
    };

    /// <summary>A new float32 tensor on the CPU with the rows of <paramref name="x"/> and another width.</summary>
    public static Tensor NewRows(Tensor x, long width) => (int)x.dim() switch
    {
        3 => empty([x.size(0), x.size(1), width], ScalarType.Float32, CPU),
        2 => empty([x.size(0), width], ScalarType.Float32, CPU),
        1 => empty([width], ScalarType.Float32, CPU),
        _ => empty([.. x.shape.AsSpan(0, (int)x.dim() - 1), width], ScalarType.Float32, CPU),
    };

    public static float* Floats(Tensor x) => (float*)TorchSharpExports.Address(x);
}
