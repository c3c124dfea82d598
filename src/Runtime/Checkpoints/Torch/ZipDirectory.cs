using System.Buffers.Binary;
using System.Text;
using Generated.Checkpoints.Storage;

namespace Generated.Checkpoints.Torch;

/// <summary>
/// Where the members of a zip archive lie in the file. Only what torch.save writes is accepted: stored members, no encryption, no
/// split archives, ZIP64 where needed; .NET's ZipArchive cannot say where a member lies. (Format: PKWARE APPNOTE 6.3, sections 4.3 to 4.5.)
/// </summary>
internal static class ZipDirectory
{
    private const int EndLength = 22;
    private const int LongestComment = ushort.MaxValue;
    private const int LocatorLength = 20;
    private const int End64Length = 56;
    private const int EntryLength = 46;
    private const int LocalLength = 30;
    private const uint EndMagic = 0x06054b50;
    private const uint LocatorMagic = 0x07064b50;
    private const uint End64Magic = 0x06064b50;
    private const uint EntryMagic = 0x02014b50;
    private const uint LocalMagic = 0x04034b50;
    private const ushort Zip64Field = 1;
    private const int Encrypted = 1;
    private const int MostMembers = 1 << 20;

    /// <summary>A member's bytes in the file.</summary>
    public readonly record struct Member(long Offset, long Length);

    /// <exception cref="InvalidInputException">The archive is damaged or uses a feature that torch.save does not.</exception>
    public static Dictionary<string, Member> Read(MappedFile file)
    {
        var (start, size, count) = FindDirectory(file);
        if (count > MostMembers || count * EntryLength > size)
            throw Damaged(file, $"a directory of {size} bytes cannot list {count} members");
        file.Check(start, size);
        var members = new Dictionary<string, Member>((int)count, StringComparer.Ordinal);
        var position = start;
        for (long i = 0; i < count; i++)
        {
            var entry = file.Span(position, EntryLength);
            var nameLength = U16(entry, 28);
            var extraLength = U16(entry, 30);
            if (U32(entry, 0) != EntryMagic || position + EntryLength + nameLength + extraLength > start + size)
                throw Damaged(file, "its directory is cut off");
            var name = Encoding.UTF8.GetString(file.Span(position + EntryLength, nameLength));
            var extra = file.Span(position + EntryLength + nameLength, extraLength);
            if (!members.TryAdd(name, ReadMember(file, name, entry, extra)))
                throw Damaged(file, $"it holds {Describe.Name(name)} twice");
            position += EntryLength + nameLength + extraLength + U16(entry, 32);
        }

        return members;
    }

    private static Member ReadMember(MappedFile file, string name, ReadOnlySpan<byte> entry, ReadOnlySpan<byte> extra)
    {
        if ((U16(entry, 8) & Encrypted) != 0 || U16(entry, 10) != 0)
            throw new InvalidInputException($"{file.Path} holds {Describe.Name(name)} compressed or encrypted, which torch.save never does; unpack and zip it uncompressed.");
        long stored = U32(entry, 20), length = U32(entry, 24), local = U32(entry, 42);
        while (extra.Length >= 4)
        {
            var fieldLength = U16(extra, 2);
            if (fieldLength > extra.Length - 4)
                break;
            if (U16(extra, 0) == Zip64Field)
                ReadZip64(file, extra.Slice(4, fieldLength), ref length, ref stored, ref local);
            extra = extra[(4 + fieldLength)..];
        }

        if (stored != length)
            throw Damaged(file, $"the sizes of {Describe.Name(name)} contradict each other");
        var header = file.Span(local, LocalLength);
        if (U32(header, 0) != LocalMagic)
            throw Damaged(file, $"{Describe.Name(name)} is not where the directory says");
        var offset = local + LocalLength + U16(header, 26) + U16(header, 28);
        file.Check(offset, length);
        return new Member(offset, length);
    }

    /// <summary>Sizes that do not fit 32 bits follow in this order, each only if its field is all ones.</summary>
    private static void ReadZip64(MappedFile file, ReadOnlySpan<byte> field, ref long length, ref long stored, ref long local)
    {
        Replace(ref length, ref field);
        Replace(ref stored, ref field);
        Replace(ref local, ref field);

        void Replace(ref long value, ref ReadOnlySpan<byte> rest)
        {
            if (value != uint.MaxValue)
                return;
            if (rest.Length < 8)
                throw Damaged(file, "a ZIP64 field is cut off");
            value = BinaryPrimitives.ReadInt64LittleEndian(rest);
            rest = rest[8..];
        }
    }

    private static (long Start, long Size, long Count) FindDirectory(MappedFile file)
    {
        var tailLength = (int)Math.Min(file.Length, EndLength + LongestComment);
        var tail = file.Span(file.Length - tailLength, tailLength);
        for (var at = tailLength - EndLength; at >= 0; at--)
        {
            var end = tail[at..];
            if (U32(end, 0) != EndMagic || U16(end, 20) != end.Length - EndLength)
                continue;
            long count = U16(end, 10), size = U32(end, 12), start = U32(end, 16);
            if (count != ushort.MaxValue && size != uint.MaxValue && start != uint.MaxValue)
                return (start, size, count);
            return FindDirectory64(file, file.Length - tailLength + at);
        }

        throw Damaged(file, "its directory is missing, so it is probably truncated; fetch the file again");
    }

    private static (long Start, long Size, long Count) FindDirectory64(MappedFile file, long end)
    {
        var locator = file.Span(end - LocatorLength, LocatorLength);
        if (U32(locator, 0) != LocatorMagic)
            throw Damaged(file, "its ZIP64 directory is missing");
        var end64 = file.Span(BinaryPrimitives.ReadInt64LittleEndian(locator[8..]), End64Length);
        if (U32(end64, 0) != End64Magic)
            throw Damaged(file, "its ZIP64 directory is missing");
        var count = BinaryPrimitives.ReadInt64LittleEndian(end64[32..]);
        var size = BinaryPrimitives.ReadInt64LittleEndian(end64[40..]);
        var start = BinaryPrimitives.ReadInt64LittleEndian(end64[48..]);
        return count < 0 || size < 0 || start < 0 ? throw Damaged(file, "its ZIP64 directory is damaged") : (start, size, count);
    }

    private static ushort U16(ReadOnlySpan<byte> bytes, int offset) => BinaryPrimitives.ReadUInt16LittleEndian(bytes[offset..]);

    private static uint U32(ReadOnlySpan<byte> bytes, int offset) => BinaryPrimitives.ReadUInt32LittleEndian(bytes[offset..]);

    private static InvalidInputException Damaged(MappedFile file, string what) => new($"{file.Path} is a damaged torch.save archive: {what}.");
}
