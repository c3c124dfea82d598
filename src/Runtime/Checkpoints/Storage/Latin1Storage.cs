using System.Text;
using Generated.Checkpoints.Pickle;

namespace Generated.Checkpoints.Storage;

/// <summary>
/// Bytes that Python 3 pickled with protocol 2: text of the characters U+0000 to U+00FF, in UTF-8, which stands for one byte each.
/// </summary>
internal sealed class Latin1Storage : ByteStorage
{
    private readonly MappedFile _file;
    private readonly PickleBytes _text;
    private readonly WeakReference<byte[]?> _decoded = new(null);

    /// <param name="file">The file that holds the text.</param>
    /// <param name="text">UTF-8 of the characters.</param>
    /// <param name="length">Number of bytes they stand for; known from the tensor's shape, so that the text is not read before it is needed.</param>
    /// <exception cref="InvalidInputException">The text cannot stand for that many bytes.</exception>
    public Latin1Storage(MappedFile file, PickleBytes text, long length)
    {
        // One or two bytes of UTF-8 per character.
        if (length > text.Length || text.Length > 2 * length || text.Length > Array.MaxLength)
            throw new InvalidInputException($"{file.Path} is damaged: {text.Length} bytes of text at {text.Offset} cannot hold {length} bytes.");
        _file = file;
        _text = text;
        Length = length;
    }

    public override long Length { get; }

    public override void Read(long offset, Span<byte> destination) =>
        Decode().AsSpan(checked((int)offset), destination.Length).CopyTo(destination);

    private byte[] Decode()
    {
        if (_decoded.TryGetTarget(out var known) && known is not null)
            return known;
        var bytes = new byte[Length];
        var source = _file.Span(_text.Offset, (int)_text.Length);
        var written = 0;
        while (!source.IsEmpty)
        {
            if (Rune.DecodeFromUtf8(source, out var rune, out var used) != System.Buffers.OperationStatus.Done
                || rune.Value > byte.MaxValue || written == bytes.Length)
            {
                throw new InvalidInputException($"{_file.Path} is damaged: the text at byte {_text.Offset} does not stand for {Length} bytes.");
            }

            bytes[written++] = (byte)rune.Value;
            source = source[used..];
        }

        if (written != bytes.Length)
            throw new InvalidInputException($"{_file.Path} is damaged: the text at byte {_text.Offset} stands for {written} bytes, not {Length}.");
        _decoded.SetTarget(bytes);
        return bytes;
    }
}

/// <summary>Storages one after another, as one.</summary>
internal sealed class JoinedStorage(IReadOnlyList<ByteStorage> parts) : ByteStorage
{
    public override long Length { get; } = parts.Sum(part => part.Length);

    public override void Read(long offset, Span<byte> destination)
    {
        foreach (var part in parts)
        {
            if (destination.IsEmpty)
                return;
            if (offset >= part.Length)
            {
                offset -= part.Length;
                continue;
            }

            var length = (int)Math.Min(part.Length - offset, destination.Length);
            part.Read(offset, destination[..length]);
            destination = destination[length..];
            offset = 0;
        }
    }
}
