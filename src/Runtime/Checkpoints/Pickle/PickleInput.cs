using System.Buffers.Binary;
using System.Text;
using Generated.Checkpoints.Storage;

namespace Generated.Checkpoints.Pickle;

/// <summary>A reading position in a range of a file. Reading past the end of the range is refused.</summary>
internal sealed class PickleInput(MappedFile file, long start, long end)
{
    private const int LongestLine = 1024;

    public long Position { get; private set; } = start;

    public MappedFile File => file;

    public byte Byte() => Take(1)[0];

    public ushort UInt16() => BinaryPrimitives.ReadUInt16LittleEndian(Take(2));

    public int Int32() => BinaryPrimitives.ReadInt32LittleEndian(Take(4));

    public uint UInt32() => BinaryPrimitives.ReadUInt32LittleEndian(Take(4));

    public double DoubleBigEndian() => BinaryPrimitives.ReadDoubleBigEndian(Take(8));

    /// <summary>A 64-bit length; negative if it is beyond any file.</summary>
    public long Int64() => BinaryPrimitives.ReadInt64LittleEndian(Take(8));

    public ReadOnlySpan<byte> Take(int length)
    {
        Check(length);
        var bytes = file.Span(Position, length);
        Position += length;
        return bytes;
    }

    /// <summary>Passes over bytes without touching them.</summary>
    public PickleBytes Range(long length, bool isText)
    {
        Check(length);
        var range = new PickleBytes(file, Position, length, isText);
        Position += length;
        return range;
    }

    /// <summary>A line of ASCII without its newline.</summary>
    public string Line()
    {
        var most = file.Span(Position, (int)Math.Min(LongestLine, end - Position));
        var length = most.IndexOf((byte)'\n');
        if (length < 0)
            throw Error("a line does not end");
        var line = most[..length];
        if (!Ascii.IsValid(line))
            throw Error("a name is not ASCII");
        Position += length + 1;
        return Encoding.ASCII.GetString(line);
    }

    public InvalidInputException Error(string what) => new($"{file.Path} is not a pickle that can be read: {what} (at byte {Position}).");

    private void Check(long length)
    {
        if (length < 0 || length > end - Position)
            throw new InvalidInputException($"{file.Path} is truncated or damaged: {length} bytes are missing at byte {Position}; fetch the file again.");
    }
}
