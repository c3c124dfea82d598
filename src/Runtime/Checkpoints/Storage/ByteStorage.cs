namespace Generated.Checkpoints.Storage;

/// <summary>The bytes that one or more tensors lie in.</summary>
internal abstract class ByteStorage
{
    /// <summary>Number of bytes.</summary>
    public abstract long Length { get; }

    /// <summary>Copies the bytes from <paramref name="offset"/> on; the range has to lie inside the storage.</summary>
    public abstract void Read(long offset, Span<byte> destination);

    /// <summary>
    /// The bytes as they lie in memory, where they do (null otherwise): lets strided tensors be gathered without a copy in between.
    /// Valid as long as the file is open.
    /// </summary>
    public virtual unsafe byte* Address => null;
}

/// <summary>A range of a mapped file.</summary>
internal sealed unsafe class MappedStorage : ByteStorage
{
    private readonly MappedFile _file;
    private readonly long _offset;

    /// <exception cref="InvalidInputException">The range lies outside the file.</exception>
    public MappedStorage(MappedFile file, long offset, long length)
    {
        file.Check(offset, length);
        _file = file;
        _offset = offset;
        Length = length;
    }

    public override long Length { get; }

    public override byte* Address => _file.Pointer(_offset, Length);

    public override void Read(long offset, Span<byte> destination)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(destination.Length, Length - offset);
        _file.Span(_offset + offset, destination.Length).CopyTo(destination);
    }
}
