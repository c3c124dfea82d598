namespace Generated.Checkpoints.Storage;

/// <summary>
/// A tensor as a strided view of a storage. Formats differ only in how they describe this; reading is the same for all.
/// The constructor proves that no element lies outside the storage.
/// </summary>
internal sealed class StoredTensor
{
    private readonly ByteStorage _storage;
    private readonly long _offset;
    private readonly long[] _strides;

    /// <param name="info">Name, dtype, shape.</param>
    /// <param name="storage">Where the elements lie.</param>
    /// <param name="offset">Byte offset of the first element.</param>
    /// <param name="strides">Elements from one index to the next, per axis; not negative.</param>
    /// <param name="location">The file, for messages.</param>
    /// <exception cref="InvalidInputException">An element lies outside the storage.</exception>
    public StoredTensor(TensorInfo info, ByteStorage storage, long offset, ReadOnlySpan<long> strides, string location)
    {
        Info = info;
        _storage = storage;
        _offset = offset;
        var size = info.DType.Size();
        _strides = new long[strides.Length];
        var fits = strides.Length == info.Shape.Count && offset >= 0 && offset <= storage.Length;
        Int128 last = 0;
        for (var axis = 0; fits && axis < strides.Length; axis++)
        {
            fits = strides[axis] >= 0;
            if (!fits || info.ElementCount == 0)
                continue;
            // A stride beyond the storage is harmless on an axis of size 1, and is never used there.
            if (info.Shape[axis] > 1)
                last += (Int128)(info.Shape[axis] - 1) * strides[axis];
            _strides[axis] = info.Shape[axis] > 1 ? unchecked(strides[axis] * size) : size;
        }

        if (fits && info.ElementCount > 0)
            fits = (last + 1) * size <= storage.Length - offset;
        if (!fits || info.ByteCount > storage.Length)
        {
            throw new InvalidInputException(
                $"{location} is truncated or damaged: tensor {info} does not fit the {storage.Length} bytes it is said to lie in.");
        }
    }

    public TensorInfo Info { get; }

    /// <summary>Whether the elements lie one after another in row-major order.</summary>
    public bool IsRowMajor
    {
        get
        {
            long expected = Info.DType.Size();
            for (var axis = _strides.Length - 1; axis >= 0; axis--)
            {
                if (Info.Shape[axis] > 1 && _strides[axis] != expected)
                    return false;
                expected *= Math.Max(Info.Shape[axis], 1);
            }

            return true;
        }
    }

    /// <summary>The bytes of a row-major tensor as a storage of their own.</summary>
    public ByteStorage AsStorage() => IsRowMajor ? new View(this) : throw new InvalidOperationException($"{Info} is not row-major.");

    /// <summary>Row-major strides in elements.</summary>
    public static long[] RowMajor(IReadOnlyList<long> shape)
    {
        var strides = new long[shape.Count];
        long stride = 1;
        for (var axis = shape.Count - 1; axis >= 0; axis--)
        {
            strides[axis] = stride;
            stride *= Math.Max(shape[axis], 1);
        }

        return strides;
    }

    /// <summary>Column-major (Fortran) strides in elements.</summary>
    public static long[] ColumnMajor(IReadOnlyList<long> shape)
    {
        var strides = new long[shape.Count];
        long stride = 1;
        for (var axis = 0; axis < shape.Count; axis++)
        {
            strides[axis] = stride;
            stride *= Math.Max(shape[axis], 1);
        }

        return strides;
    }

    /// <summary>The same bytes under another name or, for an equal element size, another dtype.</summary>
    public StoredTensor As(TensorInfo info, string location)
    {
        var size = info.DType.Size();
        return new StoredTensor(info, _storage, _offset, Array.ConvertAll(_strides, stride => stride / size), location);
    }

    /// <summary>Copies a slice, row-major, into <paramref name="destination"/>.</summary>
    /// <param name="slice">The part, in the tensor's own axes.</param>
    /// <param name="destination">Exactly its bytes.</param>
    /// <param name="axes">The axes in the order in which they are to be written; null for their own.</param>
    public void Read(TensorSlice slice, Span<byte> destination, int[]? axes = null)
    {
        var size = Info.DType.Size();
        if (!slice.FitsIn(Info))
            throw new ArgumentException($"The slice lies outside tensor {Info}.", nameof(slice));
        var offset = _offset;
        for (var axis = 0; axis < _strides.Length; axis++)
            offset += slice.Start[axis] * _strides[axis];

        if (destination.Length != slice.ElementCount * size)
        {
            throw new ArgumentException(
                $"The slice of tensor {Info} has {slice.ElementCount * size} bytes, the destination {destination.Length}.", nameof(destination));
        }

        if (destination.Length == 0)
            return;
        if (axes is null)
            StridedCopy.Gather(_storage, offset, slice.Count, _strides, size, destination);
        else
            StridedCopy.Gather(_storage, offset, Array.ConvertAll(axes, axis => slice.Count[axis]), Array.ConvertAll(axes, axis => _strides[axis]), size, destination);
    }

    private sealed class View(StoredTensor tensor) : ByteStorage
    {
        public override long Length => tensor.Info.ByteCount;

        public override void Read(long offset, Span<byte> destination) => tensor._storage.Read(tensor._offset + offset, destination);
    }
}
