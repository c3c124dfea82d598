using System.Runtime.CompilerServices;
using Generated.Kernels;
using Generated.Native;
using Generated.Passes;
using TorchSharp;
using static TorchSharp.torch;

namespace Generated.Layers;

/// <summary>
/// The small operations of a decoding step on the CPU, each one call of the project's kernels on raw pointers in place of
/// several libtorch operators of 2 to 3 µs. They know no gradients; 16-bit activations are widened and rounded again.
/// </summary>
internal static unsafe class CpuSteps
{
    /// <summary>Kernels of this class run on the calling thread; beyond this libtorch's threads win.</summary>
    private const long MostElements = 1 << 16;

    /// <summary>Whether the kernels can take this tensor: on the CPU, of a type they know, features side by side, no gradient wanted.</summary>
    public static bool CanRun(Tensor x) =>
        x.device_type == DeviceType.CPU
        && x.dtype is ScalarType.Float32 or ScalarType.BFloat16 or ScalarType.Float16
        && (!is_grad_enabled() || !x.requires_grad)
        && HasEvenRows(x);

    /// <summary>Whether one thread is enough.</summary>
    public static bool IsSmall(Tensor x) => x.numel() <= MostElements;

    /// <summary>x / sqrt(mean(x²) + ε) · weight.</summary>
    public static Tensor RmsNorm(Tensor x, Tensor weight, double epsilon)
    {
        if (x.dtype == ScalarType.Float32 && x.is_contiguous())
        {
            var y = empty_like(x);
            NormKernels.RmsNorm(Floats(x), Floats(weight), (float)epsilon, Floats(y), Rows(x), Width(x));
            GC.KeepAlive(x);
            GC.KeepAlive(weight);
            return y;
        }

        using var wide = WideCopy(x);
        using var scale = weight.to(ScalarType.Float32);
        NormKernels.RmsNorm(Floats(wide), Floats(scale), (float)epsilon, Floats(wide), Rows(x), Width(x));
        return wide.to(x.dtype, copy: true);
    }

    /// <summary>silu(gate) · up; rows may lie apart, as in views of a fused product.</summary>
    public static Tensor SiluMultiply(Tensor gate, Tensor up)
    {
        if (gate.dtype != ScalarType.Float32)
        {
            using var wideGate = WideCopy(gate);
            using var wideUp = WideCopy(up);
            ActivationKernels.SiluMultiply(Floats(wideGate), Floats(wideUp), Floats(wideGate), wideGate.numel());
            return wideGate.to(gate.dtype);
        }

        var y = empty(gate.shape, ScalarType.Float32, CPU);
        var (rows, width) = (Rows(gate), Width(gate));
        var (gateStride, upStride) = (RowStride(gate), RowStride(up));
        for (var row = 0; row < rows; row++)
            ActivationKernels.SiluMultiply(Floats(gate) + row * gateStride, Floats(up) + row * upStride, Floats(y) + (long)row * width, width);
        GC.KeepAlive(gate);
        GC.KeepAlive(up);
        return y;
    }

    /// <summary>Rotates the heads of one token per row, x [B, 1, heads · headDim].</summary>
    public static Tensor Rotate(Tensor x, RotarySpec spec, Rotation rotation)
    {
        var y = WideCopy(x);
        var (rows, width) = (Rows(x), Width(x));
        var heads = width / spec.HeadDim;
        var pairs = spec.Width / 2;
        var sections = spec.Positions == PositionKind.SequenceAndBlock ? 2 : 1;
        float* features = Floats(y), cosines = Floats(rotation.Cosines), sines = Floats(rotation.Sines);
        for (var row = 0; row < rows; row++)
            for (var section = 0; section < sections; section++)
                RotaryKernel.Rotate(
                    features + (long)row * width + section * (spec.HeadDim / 2), heads, spec.HeadDim, spec.Width / sections,
                    cosines + row * pairs + section * (pairs / 2), sines + row * pairs + section * (pairs / 2), spec.Pairing == RotaryPairing.Adjacent);
        if (x.dtype == ScalarType.Float32)
            return y;
        using (y)
            return y.to(x.dtype);
    }

    /// <summary>Appends the keys and values of one token per row to a cache and attends to it.</summary>
    public static Tensor Attend(Attention layer, DenseKvSlot slot, Tensor q, Tensor k, Tensor v, PassContext pass)
    {
        Tensor keys = slot.Keys, values = slot.Values;
        Append(layer, keys, k, pass.Past);
        Append(layer, values, v, pass.Past);
        var shape = new AttentionShape
        {
            Heads = layer.Heads,
            KvHeads = layer.KvHeads,
            HeadDim = layer.HeadDim,
            HeadStride = keys.stride(1),
            BatchStride = keys.stride(0),
            Scale = (float)layer.Scale,
            Window = layer.Window,
        };
        var isNarrow = q.dtype != ScalarType.Float32;
        var wide = isNarrow || !q.is_contiguous() ? WideCopy(q) : q;
        var y = empty([pass.Rows, 1, (long)layer.Heads * layer.HeadDim], ScalarType.Float32, CPU);
        fixed (int* starts = pass.Starts)
        fixed (float* slopes = layer.Slopes.Length == 0 ? null : layer.Slopes)
        {
            AttentionKernel.Attend(
                Format(keys.dtype), shape, Floats(wide), (void*)TorchSharpExports.Address(keys), (void*)TorchSharpExports.Address(values),
                starts, pass.Total, slopes, Floats(y), pass.Rows);
        }

        if (!ReferenceEquals(wide, q))
            wide.Dispose();
        GC.KeepAlive(q);
        if (!isNarrow)
            return y;
        using (y)
            return y.to(q.dtype);
    }

    /// <summary>The kernels' name of a type.</summary>
    public static WeightFormat Format(ScalarType dtype) => dtype switch
    {
        ScalarType.Float32 => WeightFormat.Float32,
        ScalarType.BFloat16 => WeightFormat.BFloat16,
        _ => WeightFormat.Float16,
    };

    private static void Append(Attention layer, Tensor cache, Tensor token, int position)
    {
        var size = (int)cache.ElementSize;
        var head = layer.HeadDim * size;
        var from = (byte*)TorchSharpExports.Address(token);
        var to = (byte*)TorchSharpExports.Address(cache);
        var (fromStride, rowStride, headStride) = (RowStride(token) * size, cache.stride(0) * size, cache.stride(1) * size);
        for (var row = 0; row < token.shape[0]; row++)
            for (var i = 0; i < layer.KvHeads; i++)
                Unsafe.CopyBlockUnaligned(to + row * rowStride + i * headStride + (long)position * head, from + row * fromStride + i * head, (uint)head);
        GC.KeepAlive(token);
        GC.KeepAlive(cache);
    }

    /// <summary>A contiguous float32 copy.</summary>
    private static Tensor WideCopy(Tensor x)
    {
        if (x.dtype != ScalarType.Float32)
        {
            var wide = x.to(ScalarType.Float32);
            if (wide.is_contiguous())
                return wide;
            using (wide)
                return wide.contiguous();
        }

        var y = empty(x.shape, ScalarType.Float32, CPU);
        var (rows, width, stride) = (Rows(x), Width(x), RowStride(x));
        float* from = Floats(x), to = Floats(y);
        for (var row = 0; row < rows; row++)
            Unsafe.CopyBlockUnaligned(to + (long)row * width, from + row * stride, (uint)width * sizeof(float));
        GC.KeepAlive(x);
        return y;
    }

    /// <summary>Features side by side, and rows at one distance from each other.</summary>
    private static bool HasEvenRows(Tensor x)
    {
        var strides = x.stride();
        if (strides[^1] != 1)
            return false;
        if (strides.Length < 3)
            return true;
        var shape = x.shape;
        return strides.Length == 3 && (shape[1] == 1 || shape[0] == 1 || strides[0] == shape[1] * strides[1]);
    }

    private static float* Floats(Tensor x) => (float*)TorchSharpExports.Address(x);

    private static int Width(Tensor x) => (int)x.shape[^1];

    private static int Rows(Tensor x) => (int)(x.numel() / x.shape[^1]);

    /// <summary>Elements from one row to the next of [B, 1, width] (or [B, T, width] where rows follow each other evenly).</summary>
    private static long RowStride(Tensor x) => x.dim() == 3 && x.shape[1] == 1 ? x.stride(0) : x.stride((int)x.dim() - 2);
}
