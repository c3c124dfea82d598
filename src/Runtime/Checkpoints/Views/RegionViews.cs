namespace Generated.Checkpoints.Views;

/// <summary>A range of one axis.</summary>
internal sealed class NarrowView : TensorView
{
    private readonly TensorView _inner;
    private readonly int _axis;
    private readonly long _first;

    private NarrowView(TensorView inner, TensorInfo info, int axis, long first)
        : base(info) => (_inner, _axis, _first) = (inner, axis, first);

    public static TensorView Create(TensorView inner, int axis, long first, long count)
    {
        var info = inner.Info;
        if (axis < 0 || axis >= info.Shape.Count || first < 0 || count < 0 || first > info.Shape[axis] - count)
            throw new InvalidInputException($"Tensor {info} has no indices {first} to {first + count} along axis {axis}.");
        if (count == info.Shape[axis])
            return inner;
        long[] shape = [.. info.Shape];
        shape[axis] = count;
        return new NarrowView(inner, Shaped(info, shape), axis, first);
    }

    private protected override bool NeedsBuffer => false;

    private protected override void ReadCore(TensorSlice slice, Span<byte> destination) => _inner.Read(slice.Shift(_axis, _first), destination);
}

/// <summary>Views one after another along an axis.</summary>
internal sealed class ConcatView : TensorView
{
    private readonly IReadOnlyList<TensorView> _parts;
    private readonly int _axis;

    private ConcatView(IReadOnlyList<TensorView> parts, TensorInfo info, int axis)
        : base(info) => (_parts, _axis) = (parts, axis);

    public static ConcatView Create(int axis, IReadOnlyList<TensorView> parts)
    {
        if (parts.Count == 0)
            throw new ArgumentException("There is nothing to join.", nameof(parts));
        var first = parts[0].Info;
        if (axis < 0 || axis >= first.Shape.Count)
            throw new InvalidInputException($"Tensor {first} has no axis {axis} to join along.");
        long[] shape = [.. first.Shape];
        shape[axis] = 0;
        foreach (var part in parts)
        {
            long[] other = [.. part.Info.Shape];
            if (part.Info.DType != first.DType || other.Length != shape.Length
                || !other.AsSpan(0, axis).SequenceEqual(shape.AsSpan(0, axis)) || !other.AsSpan(axis + 1).SequenceEqual(shape.AsSpan(axis + 1)))
            {
                throw new InvalidInputException($"Tensors {first} and {part.Info} cannot be joined along axis {axis}.");
            }

            shape[axis] += other[axis];
        }

        return new ConcatView(parts, Shaped(first, shape), axis);
    }

    private protected override void ReadCore(TensorSlice slice, Span<byte> destination)
    {
        var blocks = new BlockWriter(destination, slice, Info.DType.Size());
        var (start, end) = (slice.Start[_axis], slice.Start[_axis] + slice.Count[_axis]);
        long position = 0;
        foreach (var part in _parts)
        {
            var size = part.Info.Shape[_axis];
            var (first, last) = (Math.Max(start, position), Math.Min(end, position + size));
            if (first < last)
                blocks.Write(_axis, first - start, last - first, part, slice.Narrow(_axis, first - start, last - first).Shift(_axis, -position));
            position += size;
        }
    }
}

/// <summary>One axis as several.</summary>
internal sealed class UnflattenView : TensorView
{
    private readonly TensorView _inner;
    private readonly int _axis;
    private readonly long[] _sizes;

    private UnflattenView(TensorView inner, TensorInfo info, int axis, long[] sizes)
        : base(info) => (_inner, _axis, _sizes) = (inner, axis, sizes);

    public static TensorView Create(TensorView inner, int axis, long[] sizes)
    {
        var info = inner.Info;
        if (axis < 0 || axis >= info.Shape.Count || sizes.Length == 0 || sizes.Any(size => size < 1)
            || sizes.Aggregate((Int128)1, (product, size) => product * size) != info.Shape[axis])
        {
            throw new InvalidInputException($"Axis {axis} of tensor {info} cannot be seen as {Describe.Shape(sizes)}.");
        }

        return sizes.Length == 1
            ? inner
            : new UnflattenView(inner, Shaped(info, [.. info.Shape.Take(axis), .. sizes, .. info.Shape.Skip(axis + 1)]), axis, sizes);
    }

    private protected override void ReadCore(TensorSlice slice, Span<byte> destination)
    {
        // The last of the axes is a run of the inner axis; the others are walked.
        var last = _axis + _sizes.Length - 1;
        var blocks = new BlockWriter(destination, slice, Info.DType.Size());
        foreach (var index in slice.Indices(_axis, _sizes.Length - 1))
        {
            long outer = 0;
            for (var i = 0; i < _sizes.Length - 1; i++)
                outer = (outer * _sizes[i]) + slice.Start[_axis + i] + index[i];
            var inner = slice.Join(_axis, _sizes.Length, (outer * _sizes[^1]) + slice.Start[last], slice.Count[last]);
            blocks.Write(_axis, index, _inner, inner);
        }
    }
}

/// <summary>Neighbouring axes as one.</summary>
internal sealed class FlattenView : TensorView
{
    private readonly TensorView _inner;
    private readonly int _axis;
    private readonly long[] _sizes;

    private FlattenView(TensorView inner, TensorInfo info, int axis, long[] sizes)
        : base(info) => (_inner, _axis, _sizes) = (inner, axis, sizes);

    public static TensorView Create(TensorView inner, int axis, int count)
    {
        var info = inner.Info;
        if (axis < 0 || count < 1 || axis > info.Shape.Count - count)
            throw new InvalidInputException($"Tensor {info} has no {count} axes from axis {axis} on.");
        long[] sizes = [.. info.Shape.Skip(axis).Take(count)];
        var joined = sizes.Aggregate(1L, (product, size) => product * size);
        return count == 1 ? inner : new FlattenView(inner, Shaped(info, [.. info.Shape.Take(axis), joined, .. info.Shape.Skip(axis + count)]), axis, sizes);
    }

    private protected override void ReadCore(TensorSlice slice, Span<byte> destination)
    {
        // Runs of the last of the inner axes; where the range covers whole inner axes, all of them at once.
        var run = _sizes[^1];
        var blocks = new BlockWriter(destination, slice, Info.DType.Size());
        var (start, end) = (slice.Start[_axis], slice.Start[_axis] + slice.Count[_axis]);
        for (var at = start; at < end;)
        {
            var length = Math.Min(run - (at % run), end - at);
            var block = slice.Narrow(_axis, at - start, length).Split(_axis, Unravel(at), length);
            blocks.Write(_axis, at - start, length, _inner, block);
            at += length;
        }
    }

    private long[] Unravel(long index)
    {
        var indices = new long[_sizes.Length];
        for (var i = _sizes.Length - 1; i >= 0; i--)
            (index, indices[i]) = Math.DivRem(index, _sizes[i]);
        return indices;
    }
}
