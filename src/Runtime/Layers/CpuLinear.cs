using Generated.Kernels;
using Generated.Native;
using TorchSharp;
using static TorchSharp.torch;

namespace Generated.Layers;

/// <summary>Linear layers by the project's own kernels on the CPU, without gradients.</summary>
internal static unsafe class CpuLinear
{
    /// <summary>Whether the kernels can take these tensors, of which nobody wants a gradient.</summary>
    public static bool CanRun(Tensor x, Tensor weight, Tensor? bias) =>
        CpuSteps.CanRun(x) && x.dtype == weight.dtype && weight.is_contiguous()
        && RowLayout.NeedsNoGradient(weight) && (bias is null || RowLayout.NeedsNoGradient(bias));

    /// <summary>y = x·Wᵀ + b by matrix-vector products, which read the weight once; the caller's.</summary>
    public static Tensor MultiplyFew(Tensor x, Tensor weight, Tensor? bias) => Multiply(x, weight, bias, many: false);

    /// <summary>The same by a matrix-matrix product.</summary>
    public static Tensor MultiplyMany(Tensor x, Tensor weight, Tensor? bias) => Multiply(x, weight, bias, many: true);

    private static Tensor Multiply(Tensor x, Tensor weight, Tensor? bias, bool many)
    {
        var (inWidth, outWidth, rows) = ((int)weight.size(1), (int)weight.size(0), RowLayout.Rows(x));
        var isWide = x.dtype == ScalarType.Float32;
        var input = isWide && x.is_contiguous() ? x : CpuSteps.WideCopy(x);
        var shift = bias is null || isWide ? bias : bias.to(ScalarType.Float32);
        var y = RowLayout.NewRows(x, outWidth);
        var format = CpuSteps.Format(weight.dtype);
        var weights = (void*)TorchSharpExports.Address(weight);
        float* from = RowLayout.Floats(input), added = shift is null ? null : RowLayout.Floats(shift), to = RowLayout.Floats(y);
        if (many)
            MatMul.Multiply(format, weights, from, added, to, rows, inWidth, outWidth);
        else
            MatVec.Multiply(format, weights, from, added, to, rows, inWidth, outWidth);
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
