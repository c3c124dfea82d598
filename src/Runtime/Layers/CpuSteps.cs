using System.Runtime.CompilerServices;
using Generated.Kernels;
using Generated.Native;
using Generated.Passes;
using TorchSharp;
using static Generated.Layers.RowLayout;
using static TorchSharp.torch;

namespace Generated.Layers;

/// <summary>
/// The small operations of a pass without gradients on the CPU, each one call of the project's kernels on raw pointers in
/// place of several libtorch operators of 2 to 3 µs. 16-bit activations are widened and rounded again.
/// </summary>
internal static unsafe class CpuSteps
{
    /// <summary>Whether the kernels can take this tensor: on the CPU, of a type they know, rows evenly apart, no gradient wanted.</summary>
    public static bool CanRun(Tensor x) =>
        x.device_type == DeviceType.CPU
        && x.dtype is ScalarType.Float32 or ScalarType.BFloat16 or ScalarType.Float16
        && NeedsNoGradient(x)
        && IsEven(x);

    /// <summary>Whether <see cref="SiluMultiply"/> is worth it: widening many 16-bit rows costs more than libtorch's two operators.</summary>
    public static bool CanGate(Tensor gate) => CanRun(gate) && (gate.dtype == ScalarType.Float32 || Rows(gate) <= 2);

    /// <summary>x / sqrt(mean(x²) + ε) · weight.</summary>
    public static Tensor RmsNorm(Tensor x, Tensor weight, double epsilon)
    {
        if (x.dtype == ScalarType.Float32 && x.is_contiguous())
        {
            var y = empty_like(x);
            RmsNormJob.Run(Floats(x), null, Floats(weight), Floats(y), epsilon, Rows(x), Width(x));
            GC.KeepAlive(x);
            GC.KeepAlive(weight);
            return y;
        }

        using var wide = WideCopy(x);
        using var scale = weight.to(ScalarType.Float32);
        RmsNormJob.Run(Floats(wide), null, Floats(scale), Floats(wide), epsilon, Rows(x), Width(x));
        return wide.to(x.dtype, copy: true);
    }

    /// <summary>x + delta, and its RMSNorm.</summary>
    public static (Tensor Sum, Tensor Normalised) AddRmsNorm(Tensor x, Tensor delta, Tensor weight, double epsilon)
    {
        var sum = WideCopy(x);
        using var added = delta.dtype == ScalarType.Float32 && delta.is_contiguous() ? delta.alias() : WideCopy(delta);
        using var scale = weight.dtype == ScalarType.Float32 ? weight.alias() : weight.to(ScalarType.Float32);
        var y = empty_like(sum);
        RmsNormJob.Run(Floats(sum), Floats(added), Floats(scale), Floats(y), epsilon, Rows(x), Width(x));
        return (Narrow(sum, x.dtype), Narrow(y, x.dtype));
    }

    /// <summary>silu(gate) · up; rows may lie apart, as in views of a fused product.</summary>
    public static Tensor SiluMultiply(Tensor gate, Tensor up)
    {
        if (gate.dtype != ScalarType.Float32)
        {
            using var wideGate = WideCopy(gate);
            using var wideUp = WideCopy(up);
            SiluMultiplyJob.Run(Floats(wideGate), Width(gate), Floats(wideUp), Width(up), Floats(wideGate), Rows(gate), Width(gate));
            return wideGate.to(gate.dtype);
        }

        var y = NewRows(gate, Width(gate));
        SiluMultiplyJob.Run(Floats(gate), Stride(gate), Floats(up), Stride(up), Floats(y), Rows(gate), Width(gate));
        GC.KeepAlive(gate);
        GC.KeepAlive(up);
        return y;
    }

    /// <summary>Rotates the heads of one token per row, x [B, 1, heads · headDim].</summary>
    public static Tensor Rotate(Tensor x, RotarySpec spec, Rotation rotation)
    {
        var y = WideCopy(x);
        var width = Width(x);
        for (int row = 0, rows = Rows(x); row < rows; row++)
            RotateRow(Floats(y) + (long)row * width, width / spec.HeadDim, spec.HeadDim, spec, rotation, row);
        return Narrow(y, x.dtype);
    }

    /// <summary>Appends the keys and values of one token per row to a cache and attends to it; queries and keys are rotated first where there is a rotary embedding.</summary>
    public static Tensor Attend(Attention layer, DenseKvSlot slot, Tensor q, Tensor k, Tensor v, Rotary? rope, PassContext pass)
    {
        Tensor keys = slot.Keys, values = slot.Values;
        var isNarrow = q.dtype != ScalarType.Float32;
        var rotation = rope is null ? null : pass.Rotation(rope.Table, CPU);
        using var queries = rope is null ? isNarrow || !q.is_contiguous() ? WideCopy(q) : q.alias() : RotatedQueries(q, rope, rotation!);
        if (rope is not null && isNarrow)
        {
            using var rotated = Rotate(k, rope.Table.Spec, rotation!);
            Append(layer, keys, rotated, pass.Past);
        }
        else
        {
            Append(layer, keys, k, pass.Past);
            for (var row = 0; rope is not null && row < pass.Rows; row++)
                RotateRow(Floats(keys) + row * keys.stride(0) + (long)pass.Past * layer.HeadDim, layer.KvHeads, (int)keys.stride(1), rope.Table.Spec, rotation!, row);
        }

        Append(layer, values, v, pass.Past);
        var shape = Shape(layer, keys);
        var y = empty([pass.Rows, 1, (long)layer.Heads * layer.HeadDim], ScalarType.Float32, CPU);
        fixed (int* starts = pass.Starts)
        fixed (float* slopes = layer.Slopes.Length == 0 ? null : layer.Slopes)
        {
            AttentionKernel.Attend(
                Format(keys.dtype), shape, Floats(queries), (void*)TorchSharpExports.Address(keys), (void*)TorchSharpExports.Address(values),
                starts, pass.Total, slopes, Floats(y), pass.Rows);
        }

        return Narrow(y, q.dtype);
    }

    /// <summary>The same on a cache of 8-bit codes.</summary>
    public static Tensor Attend(Attention layer, Int8KvSlot slot, Tensor q, Tensor k, Tensor v, Rotary? rope, PassContext pass)
    {
        var rotation = rope is null ? null : pass.Rotation(rope.Table, CPU);
        using var queries = rope is null ? WideCopy(q) : RotatedQueries(q, rope, rotation!);
        using var newKeys = rope is null ? WideCopy(k) : RotatedQueries(k, rope, rotation!);
        using var newValues = WideCopy(v);
        var y = empty([pass.Rows, 1, (long)layer.Heads * layer.HeadDim], ScalarType.Float32, CPU);
        fixed (float* keyScales = slot.Scales.Keys)
        fixed (float* valueScales = slot.Scales.Values)
        fixed (int* starts = pass.Starts)
        fixed (float* slopes = layer.Slopes.Length == 0 ? null : layer.Slopes)
        {
            AppendCodes(layer, slot.Keys, newKeys, keyScales, pass.Past);
            AppendCodes(layer, slot.Values, newValues, valueScales, pass.Past);
            AttentionKernel.AttendInt8(
                Shape(layer, slot.Keys), Floats(queries), (sbyte*)TorchSharpExports.Address(slot.Keys), (sbyte*)TorchSharpExports.Address(slot.Values),
                keyScales, valueScales, starts, pass.Total, slopes, Floats(y), pass.Rows);
        }

        return Narrow(y, q.dtype);
    }

    /// <summary>The kernels' name of a type.</summary>
    public static WeightFormat Format(ScalarType dtype) => dtype switch
    {
        ScalarType.Float32 => WeightFormat.Float32,
        ScalarType.BFloat16 => WeightFormat.BFloat16,
        _ => WeightFormat.Float16,
    };

    /// <summary>A contiguous float32 copy.</summary>
    public static Tensor WideCopy(Tensor x)
    {
        if (x.dtype != ScalarType.Float32)
        {
            var wide = x.to(ScalarType.Float32);
            if (wide.is_contiguous())
                return wide;
            using (wide)
                return wide.contiguous();
        }

        var y = NewRows(x, Width(x));
        var (rows, width, stride) = (Rows(x), Width(x), Stride(x));
        float* from = Floats(x), to = Floats(y);
        for (var row = 0; row < rows; row++)
            Unsafe.CopyBlockUnaligned(to + (long)row * width, from + row * stride, (uint)width * sizeof(float));
        GC.KeepAlive(x);
        return y;
    }

    private static AttentionShape Shape(Attention layer, Tensor keys) => new()
    {
        Heads = layer.Heads,
        KvHeads = layer.KvHeads,
        HeadDim = layer.HeadDim,
        HeadStride = keys.stride(1),
        BatchStride = keys.stride(0),
        Scale = (float)layer.Scale,
        Window = layer.Window,
    };

    private static void AppendCodes(Attention layer, Tensor cache, Tensor token, float* scales, int position)
    {
        var to = (sbyte*)TorchSharpExports.Address(cache) + (long)position * layer.HeadDim;
        var (rowStride, headStride, width) = (cache.stride(0), cache.stride(1), Width(token));
        for (var row = 0; row < token.size(0); row++)
            for (var i = 0; i < layer.KvHeads; i++)
                RowKernels.Quantize(Floats(token) + (long)row * width + (long)i * layer.HeadDim, scales[i], to + row * rowStride + i * headStride, layer.HeadDim);
        GC.KeepAlive(token);
        GC.KeepAlive(cache);
    }

    private static Tensor RotatedQueries(Tensor q, Rotary rope, Rotation rotation)
    {
        var y = WideCopy(q);
        var (width, spec) = (Width(q), rope.Table.Spec);
        for (int row = 0, rows = Rows(q); row < rows; row++)
            RotateRow(Floats(y) + (long)row * width, width / spec.HeadDim, spec.HeadDim, spec, rotation, row);
        return y;
    }

    private static void RotateRow(float* features, int heads, int headStride, RotarySpec spec, Rotation rotation, int row)
    {
        var pairs = spec.Width / 2;
        var sections = spec.Positions == PositionKind.SequenceAndBlock ? 2 : 1;
        for (var section = 0; section < sections; section++)
            RotaryKernel.Rotate(
                features + section * (spec.HeadDim / 2), heads, headStride, spec.Width / sections,
                Floats(rotation.Cosines) + row * pairs + section * (pairs / 2), Floats(rotation.Sines) + row * pairs + section * (pairs / 2),
                spec.Pairing == RotaryPairing.Adjacent);
    }

    private static void Append(Attention layer, Tensor cache, Tensor token, int position)
    {
        var size = (int)cache.ElementSize;
        var head = layer.HeadDim * size;
        var from = (byte*)TorchSharpExports.Address(token);
        var to = (byte*)TorchSharpExports.Address(cache) + (long)position * head;
        var (fromStride, rowStride, headStride) = (Stride(token) * size, cache.stride(0) * size, cache.stride(1) * size);
        for (var row = 0; row < token.size(0); row++)
            for (var i = 0; i < layer.KvHeads; i++)
                Unsafe.CopyBlockUnaligned(to + row * rowStride + i * headStride, from + row * fromStride + i * head, (uint)head);
        GC.KeepAlive(token);
        GC.KeepAlive(cache);
    }

    /// <summary>Rounds to a type; disposes of its argument where it makes a new one.</summary>
    private static Tensor Narrow(Tensor wide, ScalarType dtype)
    {
        if (dtype == ScalarType.Float32)
            return wide;
        using (wide)
            return wide.to(dtype);
    }
}
