using Generated.Checkpoints.Storage;

namespace Generated.Checkpoints.Views;

/// <summary>
/// A tensor made of stored ones by renaming, reordering axes, cutting, joining, grouping and converting. Nothing is computed before a
/// part is read, and then only that part: a conversion streams, and a rank reads no more than it holds.
/// </summary>
public abstract class TensorView
{
    /// <summary>Views that need a buffer get large reads in pieces of this size.</summary>
    private const int MostBuffered = 8 << 20;

    private protected TensorView(TensorInfo info) => Info = info;

    /// <summary>Name, dtype and shape of the result.</summary>
    public TensorInfo Info { get; }

    /// <summary>A stored tensor.</summary>
    /// <exception cref="InvalidInputException">The source has no tensor of that name.</exception>
    public static TensorView Of(ITensorSource source, string name) => new StoredView(source, source.Info(name));

    /// <summary>Views one after another along an axis; all other sizes and the dtype are equal.</summary>
    /// <exception cref="InvalidInputException">Sizes or dtypes differ.</exception>
    public static TensorView Concat(int axis, params IReadOnlyList<TensorView> parts) => parts.Count == 1 ? parts[0] : ConcatView.Create(axis, parts);

    /// <summary>The same values under another name.</summary>
    public TensorView Rename(string name) => new RenameView(this, name);

    /// <summary>Axes in another order: axis i of the result is axis <paramref name="axes"/>[i] of this one.</summary>
    public TensorView Permute(params ReadOnlySpan<int> axes) => PermuteView.Create(this, axes.ToArray());

    /// <summary>The matrix transposed; a vector stays as it is.</summary>
    /// <exception cref="InvalidInputException">The tensor has more than two axes.</exception>
    public TensorView Transpose() => Info.Shape.Count switch
    {
        < 2 => this,
        2 => Permute(1, 0),
        _ => throw new InvalidInputException($"Tensor {Info} is no matrix and cannot be transposed."),
    };

    /// <summary>A range of one axis.</summary>
    /// <exception cref="InvalidInputException">The range lies outside the tensor.</exception>
    public TensorView Narrow(int axis, long first, long count) => NarrowView.Create(this, axis, first, count);

    /// <summary>Part <paramref name="index"/> of <paramref name="parts"/> equal parts of an axis.</summary>
    /// <exception cref="InvalidInputException">The axis does not divide.</exception>
    public TensorView Part(int axis, int index, int parts)
    {
        var slice = TensorSlice.Part(Info, axis, index, parts);
        return Narrow(axis, slice.Start[axis], slice.Count[axis]);
    }

    /// <summary>One axis as several, row-major: [heads · dim, x] as [heads, dim, x].</summary>
    /// <exception cref="InvalidInputException">The sizes do not multiply to the axis.</exception>
    public TensorView Unflatten(int axis, params ReadOnlySpan<long> sizes) => UnflattenView.Create(this, axis, sizes.ToArray());

    /// <summary>Neighbouring axes as one, row-major: the reverse of <see cref="Unflatten"/>.</summary>
    public TensorView Flatten(int axis, int count) => FlattenView.Create(this, axis, count);

    /// <summary>The values in another floating-point dtype, rounded to nearest even; other dtypes stay as they are.</summary>
    public TensorView Convert(DType dtype) => ConvertView.Create(this, dtype);

    /// <summary>Reads a part, row-major and little-endian.</summary>
    /// <param name="slice">The part, in this view's axes.</param>
    /// <param name="destination">Exactly its bytes.</param>
    /// <exception cref="ArgumentException">The slice or the destination does not fit.</exception>
    public void Read(TensorSlice slice, Span<byte> destination)
    {
        if (!slice.FitsIn(Info))
            throw new ArgumentException($"The slice lies outside tensor {Info}.", nameof(slice));
        if (destination.Length != slice.ElementCount * Info.DType.Size())
            throw new ArgumentException($"The destination has {destination.Length} bytes, the slice of tensor {Info} {slice.ElementCount * Info.DType.Size()}.", nameof(destination));
        if (destination.Length == 0)
            return;
        if (!NeedsBuffer || destination.Length <= MostBuffered)
        {
            ReadCore(slice, destination);
            return;
        }

        foreach (var piece in slice.Chunks(MostBuffered / Info.DType.Size()))
        {
            var length = (int)(piece.ElementCount * Info.DType.Size());
            ReadCore(piece, destination[..length]);
            destination = destination[length..];
        }
    }

    /// <summary>Whether reading takes a buffer of the size of what is read.</summary>
    private protected virtual bool NeedsBuffer => true;

    /// <summary>As <see cref="Read"/>, for a slice that is known to fit and is not empty.</summary>
    private protected abstract void ReadCore(TensorSlice slice, Span<byte> destination);

    private protected static TensorInfo Shaped(TensorInfo info, ReadOnlySpan<long> shape) => new(info.Name, info.DType, shape);

    /// <summary>Reads with the axes in another order, if that takes no copy in between.</summary>
    internal virtual bool TryReadPermuted(TensorSlice slice, int[] axes, Span<byte> destination) => false;

    private sealed class StoredView(ITensorSource source, TensorInfo info) : TensorView(info)
    {
        internal override bool TryReadPermuted(TensorSlice slice, int[] axes, Span<byte> destination)
        {
            if (source is not IStridedSource strided)
                return false;
            strided.Read(Info.Name, slice, axes, destination);
            return true;
        }

        private protected override bool NeedsBuffer => false;

        private protected override void ReadCore(TensorSlice slice, Span<byte> destination) => source.Read(Info.Name, slice, destination);
    }

    private sealed class RenameView(TensorView inner, string name) : TensorView(inner.Info.Rename(name))
    {
        private protected override bool NeedsBuffer => false;

        private protected override void ReadCore(TensorSlice slice, Span<byte> destination) => inner.Read(slice, destination);
    }
}
