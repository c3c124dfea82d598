using static TorchSharp.torch;

namespace Generated.Layers;

/// <summary>Linear layers for few rows: on the CPU the project's own matrix-vector kernels, elsewhere libtorch.</summary>
internal static class FewRows
{
    /// <summary>Above this a matrix-matrix product is faster.</summary>
    public const int MostRows = 8;

    /// <summary>y = x·Wᵀ + b for x [.., in] of any type, without gradients; the caller's.</summary>
    public static Tensor Multiply(Tensor x, Tensor weight, Tensor? bias) =>
        RowLayout.Rows(x) <= MostRows && CpuLinear.CanRun(x, weight, bias) ? CpuLinear.MultiplyFew(x, weight, bias) : ManyRows.Multiply(x, weight, bias);
}
