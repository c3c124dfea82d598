using System.Buffers;
using Generated.Checkpoints.Storage;

namespace Generated.Checkpoints.Views;

/// <summary>Axes in another order.</summary>
internal sealed class PermuteView : TensorView
{
    private readonly TensorView _inner;
    private readonly int[] _axes;

    private PermuteView(TensorView inner, TensorInfo info, int[] axes)
        : base(info) => (_inner, _axes) = (inner, axes);

    public static TensorView Create(TensorView inner, int[] axes)
    {
        var info = inner.Info;
        if (!axes.Order().SequenceEqual(Enumerable.Range(0, info.Shape.Count)))
            throw new InvalidInputException($"The axes of tensor {info} cannot be reordered as ({string.Join(", ", axes)}).");
        if (inner is PermuteView { _axes: var before } nested)
            return Create(nested._inner, [.. axes.Select(axis => before[axis])]);
        if (axes.SequenceEqual(Enumerable.Range(0, axes.Length)))
            return inner;
        return new PermuteView(inner, Shaped(info, [.. axes.Select(axis => info.Shape[axis])]), axes);
    }

    private protected override unsafe void ReadCore(TensorSlice slice, Span<byte> destination)
    {
        var block = slice.Permute(_axes);
        if (_inner.TryReadPermuted(block, _axes, destination))
            return;
        var size = Info.DType.Size();
        var buffer = ArrayPool<byte>.Shared.Rent(destination.Length);
        var bytes = buffer.AsSpan(0, destination.Length);
        _inner.Read(block, bytes);
        var rowMajor = StoredTensor.RowMajor(block.Count);
        fixed (byte* start = bytes)
            StridedCopy.Gather(start, slice.Count, [.. _axes.Select(axis => rowMajor[axis] * size)], size, destination);
        ArrayPool<byte>.Shared.Return(buffer);
    }
}
