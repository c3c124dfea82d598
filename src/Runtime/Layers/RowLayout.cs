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
        var strides = x.stride();
        if (strides.Length == 0 || strides[^1] != 1)
            return false;
        if (strides.Length < 3)
            return true;
        var shape = x.shape;
        return strides.Length == 3 && (shape[1] == 1 || shape[0] == 1 || strides[0] == shape[1] * strides[1]);
    }

    public static int Width(Tensor x) => (int)x.shape[^1];

    public static int Rows(Tensor x)
    {
        var rows = 1L;
        var shape = x.shape;
        for (var i = 0; i < shape.Length - 1; i++)
            rows *= shape[i];
        return (int)rows;
    }

    /// <summary>Elements from one row to the next.</summary>
    public static long Stride(Tensor x)
    {
        var strides = x.stride();
        if (strides.Length == 1)
            return x.shape[0];
        return strides.Length == 3 && x.shape[1] == 1 ? strides[0] : strides[^2];
    }

    public static float* Floats(Tensor x) => (float*)TorchSharpExports.Address(x);
}
