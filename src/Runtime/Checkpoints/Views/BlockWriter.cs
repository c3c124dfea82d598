using System.Buffers;

namespace Generated.Checkpoints.Views;

/// <summary>Puts blocks, read from other views, where they belong in a row-major destination; in place where a block is one run of it.</summary>
internal readonly ref struct BlockWriter(Span<byte> destination, TensorSlice slice, int itemSize)
{
    private readonly Span<byte> _destination = destination;

    /// <summary>Reads <paramref name="source"/>'s <paramref name="block"/> to indices <paramref name="first"/> on of an axis.</summary>
    public void Write(int axis, long first, long count, TensorView source, TensorSlice block)
    {
        var inner = Product(axis + 1, slice.Count.Count) * itemSize;
        Place(Product(0, axis), slice.Count[axis] * inner, first * inner, count * inner, source, block);
    }

    /// <summary>Reads <paramref name="source"/>'s <paramref name="block"/> to one index of each of the axes from <paramref name="axis"/> on.</summary>
    public void Write(int axis, ReadOnlySpan<long> index, TensorView source, TensorSlice block)
    {
        var inner = Product(axis + index.Length, slice.Count.Count) * itemSize;
        long position = 0;
        for (var i = 0; i < index.Length; i++)
            position = (position * slice.Count[axis + i]) + index[i];
        Place(Product(0, axis), Product(axis, axis + index.Length) * inner, position * inner, inner, source, block);
    }

    private void Place(long rows, long stride, long offset, long length, TensorView source, TensorSlice block)
    {
        if (rows == 1)
        {
            source.Read(block, _destination.Slice((int)offset, (int)length));
            return;
        }

        var buffer = ArrayPool<byte>.Shared.Rent(checked((int)(rows * length)));
        var bytes = buffer.AsSpan(0, (int)(rows * length));
        source.Read(block, bytes);
        for (long row = 0; row < rows; row++)
            bytes.Slice((int)(row * length), (int)length).CopyTo(_destination[(int)((row * stride) + offset)..]);
        ArrayPool<byte>.Shared.Return(buffer);
    }

    private long Product(int from, int to)
    {
        long product = 1;
        for (var axis = from; axis < to; axis++)
            product *= slice.Count[axis];
        return product;
    }
}
