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

    private static readonly bool IsOn =
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
}
