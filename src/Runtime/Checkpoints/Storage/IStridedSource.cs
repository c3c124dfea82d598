namespace Generated.Checkpoints.Storage;

/// <summary>A source that can reorder axes while it reads, which saves a copy.</summary>
internal interface IStridedSource
{
    /// <summary>As <see cref="ITensorSource.Read"/>, written with the axes in the order of <paramref name="axes"/>.</summary>
    /// <param name="name">Name of the tensor.</param>
    /// <param name="slice">The part, in the tensor's own axes.</param>
    /// <param name="axes">Axis i of what is written is axis <paramref name="axes"/>[i] of the tensor.</param>
    /// <param name="destination">Exactly the bytes of the slice.</param>
    void Read(string name, TensorSlice slice, int[] axes, Span<byte> destination);
}
