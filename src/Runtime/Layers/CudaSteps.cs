using Generated.Cuda;
using Generated.Passes;
using TorchSharp;
using static TorchSharp.torch;

namespace Generated.Layers;

/// <summary>
/// Chooses the project's CUDA kernels for the small operations of a decode step, which is bound by launches otherwise.
/// <c>GENERATED_CUDA_KERNELS=off</c> leaves them to libtorch, to tell whether a kernel is at fault.
/// </summary>
internal static class CudaSteps
{
    private const int MostRows = 65535; // of a launch grid's second dimension

    /// <summary>Whether the project's kernels are used where they can be.</summary>
    public static bool IsOn { get; } =
        !string.Equals(Environment.GetEnvironmentVariable("GENERATED_CUDA_KERNELS"), "off", StringComparison.OrdinalIgnoreCase);

    /// <summary>Whether the kernels can take this tensor.</summary>
    public static bool CanRun(Tensor x) =>
        IsOn && x.device_type == DeviceType.CUDA && RowLayout.NeedsNoGradient(x) && RowLayout.IsEven(x) && RowLayout.Rows(x) <= MostRows && CudaKernels.IsAvailable(x);

    /// <summary>Whether the norm's kernel can take this tensor.</summary>
    public static bool CanNormalise(Tensor x) => CanRun(x) && x.is_contiguous() && CudaKernels.CanNormalise(RowLayout.Width(x));

    /// <summary>Whether there are kernels for this layer and rotary embedding.</summary>
    public static bool CanAttend(Attention layer, Rotary? rope) =>
        CudaKernels.CanAttend(layer.HeadDim) && rope?.Table.Spec.Positions is null or PositionKind.Sequence;

    /// <summary>Appends the keys and values of one token per row to a cache, rotated where there is a rotary embedding, and attends to it.</summary>
    public static Tensor Attend(Attention layer, KvSlot slot, Tensor q, Tensor k, Tensor v, Rotary? rope, PassContext pass)
    {
        var cache = slot switch
        {
            DenseKvSlot dense => new CudaCache(dense.Keys, dense.Values),
            Int8KvSlot codes => new CudaCache(codes.Keys, codes.Values, codes.KeyScaleTensor, codes.ValueScaleTensor),
            _ => throw new ArgumentException($"There is no kernel for a {slot.GetType().Name}.", nameof(slot)),
        };
        using var nothing = rope is null ? empty([1, 0], ScalarType.Float32, q.device) : null;
        var (cosines, sines) = rope is null ? (nothing!, nothing!) : rope.Table.Tables(pass, q.device);
        using var rotated = CudaKernels.RotateAppend(q, k, v, cache, cosines, sines, pass.Positions(q.device), rope?.Table.Spec.Pairing == RotaryPairing.Adjacent, pass.Past);
        return CudaKernels.Attend(rotated, cache, layer.SlopeTensor, pass.StartsOn(q.device), pass.Total, layer.Window, layer.Scale);
    }

    /// <summary>Writes keys and values of a prompt's tokens to a cache of codes; what the codes stand for, [rows, kvHeads, tokens, headDim] each, or null without kernels.</summary>
    /// <param name="slot">The cache.</param>
    /// <param name="keys">[rows, kvHeads, tokens, headDim].</param>
    /// <param name="values">[rows, kvHeads, tokens, headDim].</param>
    /// <param name="position">Column of the first token.</param>
    public static (Tensor Keys, Tensor Values)? WriteRounded(Int8KvSlot slot, Tensor keys, Tensor values, int position)
    {
        if (!CanRound(keys) || !CanRound(values))
            return null;
        return (CudaKernels.RoundToCache(keys, slot.Keys, slot.KeyScaleTensor, position), CudaKernels.RoundToCache(values, slot.Values, slot.ValueScaleTensor, position));
    }

    private static bool CanRound(Tensor x) => IsOn && RowLayout.NeedsNoGradient(x) && CudaKernels.IsAvailable(x) && x.stride(3) == 1 && x.size(0) <= MostRows && x.size(1) <= MostRows;
}
