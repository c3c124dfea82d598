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
        var (inWidth, outWidth) = ((int)weight.size(1), (int)weight.size(0));
        var rows = RowLayout.Rows(x);
        if (rows > MostRows || !CpuSteps.CanRun(x) || x.dtype != weight.dtype || weight.requires_grad && is_grad_enabled() || !weight.is_contiguous())
            return ManyRows.Multiply(x, weight, bias);
        var isWide = x.dtype == ScalarType.Float32;
        var input = isWide && x.is_contiguous() ? x : CpuSteps.WideCopy(x);
        var shift = bias is null || isWide ? bias : bias.to(ScalarType.Float32);
        var y = RowLayout.NewRows(x, outWidth);
        MatVec.Multiply(
            CpuSteps.Format(weight.dtype), (void*)TorchSharpExports.Address(weight), (float*)TorchSharpExports.Address(input),
            shift is null ? null : (float*)TorchSharpExports.Address(shift), (float*)TorchSharpExports.Address(y), rows, inWidth, outWidth);
        GC.KeepAlive(weight);
        GC.KeepAlive(x);
        GC.KeepAlive(bias);
        if (!ReferenceEquals(input, x))
            input.Dispose();
        if (!ReferenceEquals(shift, bias))
            shift!.Dispose();
        if (isWide)
            return y;
        using (y)
            return y.to(x.dtype);
    }
}
