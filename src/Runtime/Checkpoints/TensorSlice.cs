namespace Generated.Checkpoints;

/// <summary>A hyper-rectangle of a tensor: per axis a first index and a count. A rank reads only its part through one of these.</summary>
public sealed class TensorSlice
{
    private readonly long[] _start;
    private readonly long[] _count;

    private TensorSlice(long[] start, long[] count)
    {
        _start = start;
        _count = count;
    }

    /// <summary>First index per axis.</summary>
    public IReadOnlyList<long> Start => _start;

    /// <summary>Number of indices per axis: the shape of what is read.</summary>
    public IReadOnlyList<long> Count => _count;

    /// <summary>Number of elements of the slice.</summary>
    public long ElementCount
    {
        get
        {
            long count = 1;
            foreach (var size in _count)
                count *= size;
            return count;
        }
    }

    /// <summary>The whole tensor.</summary>
    public static TensorSlice All(TensorInfo tensor) => new(new long[tensor.Shape.Count], [.. tensor.Shape]);

    /// <summary>Indices <paramref name="first"/> to <paramref name="first"/> + <paramref name="count"/> of one axis, all of the others.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The range lies outside the tensor.</exception>
    public static TensorSlice Along(TensorInfo tensor, int axis, long first, long count) => All(tensor).Narrow(axis, first, count);

    /// <summary>Part <paramref name="index"/> of <paramref name="parts"/> equal parts along an axis: what one tensor-parallel rank holds.</summary>
    /// <exception cref="InvalidInputException">The axis does not divide by <paramref name="parts"/>.</exception>
    public static TensorSlice Part(TensorInfo tensor, int axis, int index, int parts)
    {
        var size = tensor.Shape[axis];
        if (size % parts != 0)
            throw new InvalidInputException($"Tensor {tensor} cannot be cut along axis {axis} into {parts} equal parts.");
        return Along(tensor, axis, size / parts * index, size / parts);
    }

    /// <summary>A part of this slice, <paramref name="first"/> counted from the start of this slice.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The range lies outside this slice.</exception>
    public TensorSlice Narrow(int axis, long first, long count)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(axis);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(axis, _count.Length);
        ArgumentOutOfRangeException.ThrowIfNegative(first);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(first, _count[axis]);
        ArgumentOutOfRangeException.ThrowIfNegative(count);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(count, _count[axis] - first);
        var start = (long[])_start.Clone();
        var counts = (long[])_count.Clone();
        start[axis] += first;
        counts[axis] = count;
        return new TensorSlice(start, counts);
    }

    /// <summary>
    /// Cuts the slice into consecutive pieces of at most <paramref name="mostElements"/> elements (at least one row each), in row-major order:
    /// their contents one after another are the contents of the slice.
    /// </summary>
    public IEnumerable<TensorSlice> Chunks(long mostElements)
    {
        if (ElementCount == 0)
            yield break;
        if (_count.Length == 0)
        {
            yield return this;
            yield break;
        }

        // The first axis that must be cut: everything inside it fits, everything outside it is walked index by index.
        var axis = 0;
        var inner = ElementCount / _count[0];
        while (inner > mostElements && axis < _count.Length - 1)
            inner /= _count[++axis];
        var step = Math.Max(1, mostElements / inner);
        foreach (var outer in Outer(axis))
        {
            for (long i = 0; i < _count[axis]; i += step)
                yield return outer.Narrow(axis, i, Math.Min(step, _count[axis] - i));
        }
    }

    /// <summary>Whether the slice lies inside a tensor.</summary>
    internal bool FitsIn(TensorInfo tensor)
    {
        if (_count.Length != tensor.Shape.Count)
            return false;
        for (var axis = 0; axis < _count.Length; axis++)
        {
            if (_start[axis] > tensor.Shape[axis] - _count[axis])
                return false;
        }

        return true;
    }

    /// <summary>The same counts, further along an axis.</summary>
    internal TensorSlice Shift(int axis, long by)
    {
        var start = (long[])_start.Clone();
        start[axis] += by;
        return new TensorSlice(start, _count);
    }

    /// <summary>The slice of a tensor whose axis <paramref name="axes"/>[i] is this one's axis i.</summary>
    internal TensorSlice Permute(int[] axes)
    {
        var (start, count) = (new long[axes.Length], new long[axes.Length]);
        for (var i = 0; i < axes.Length; i++)
            (start[axes[i]], count[axes[i]]) = (_start[i], _count[i]);
        return new TensorSlice(start, count);
    }

    /// <summary>Several axes replaced by one with the given range.</summary>
    internal TensorSlice Join(int axis, int axes, long start, long count) =>
        new([.. _start[..axis], start, .. _start[(axis + axes)..]], [.. _count[..axis], count, .. _count[(axis + axes)..]]);

    /// <summary>One axis replaced by several: one index of each but the last, of which there are <paramref name="count"/>.</summary>
    internal TensorSlice Split(int axis, long[] start, long count) =>
        new([.. _start[..axis], .. start, .. _start[(axis + 1)..]], [.. _count[..axis], .. Enumerable.Repeat(1L, start.Length - 1), count, .. _count[(axis + 1)..]]);

    /// <summary>All indices, counted from the start of the slice, of some neighbouring axes, in row-major order.</summary>
    internal IEnumerable<long[]> Indices(int axis, int axes)
    {
        var total = _count[axis..(axis + axes)].Aggregate(1L, (product, count) => product * count);
        for (long i = 0; i < total; i++)
        {
            var (index, rest) = (new long[axes], i);
            for (var a = axes - 1; a >= 0; a--)
                (rest, index[a]) = Math.DivRem(rest, _count[axis + a]);
            yield return index;
        }
    }

    private IEnumerable<TensorSlice> Outer(int axes)
    {
        var slices = new[] { this }.AsEnumerable();
        for (var axis = 0; axis < axes; axis++)
        {
            var cut = axis;
            slices = slices.SelectMany(slice => Indices(slice._count[cut]).Select(i => slice.Narrow(cut, i, 1)));
        }

        return slices;
    }

    private static IEnumerable<long> Indices(long count)
    {
        for (long i = 0; i < count; i++)
            yield return i;
    }
}
