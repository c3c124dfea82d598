using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Text;
using Microsoft.Win32.SafeHandles;

namespace Generated.Native;

/// <summary>One entry of <c>.gnu.version_r</c>: a symbol version that the library needs from another one.</summary>
/// <param name="Index">The number by which symbols refer to the version (vna_other without the hidden bit).</param>
/// <param name="FlagsOffset">File offset of the 16-bit vna_flags.</param>
/// <param name="Flags">Value of vna_flags.</param>
internal readonly record struct VersionNeed(ushort Index, long FlagsOffset, ushort Flags);

/// <summary>
/// Reads what the dynamic loader reads of a 64-bit little-endian ELF shared library: its dependencies, its name and
/// its version requirements (System V ABI; Linux Standard Base, "Symbol Versioning"). Reads only the bytes it needs,
/// checks every offset against the file's length, and throws <see cref="NativeLibraryException"/> naming the file.
/// </summary>
internal sealed class ElfFile : IDisposable
{
    /// <summary>vna_flags bit: the loader does not insist on the version.</summary>
    internal const ushort VersionFlagWeak = 2;

    private const int HeaderSize = 64, ProgramHeaderSize = 56, SectionHeaderSize = 64, DynamicEntrySize = 16, SymbolSize = 24;
    private const int PtLoad = 1, PtDynamic = 2;
    private const long DtNeeded = 1, DtStrTab = 5, DtSymTab = 6, DtSoname = 14, DtVerNeed = 0x6ffffffe, DtVerNeedNum = 0x6fffffff;
    private const uint ShtGnuVersym = 0x6fffffff;
    private const int MaxString = 4096, MaxEntries = 1 << 20;

    private readonly string path;
    private readonly SafeFileHandle file;
    private readonly long length;
    private readonly List<(ulong Address, ulong Size, long Offset)> segments = [];
    private readonly List<(long Tag, ulong Value)> dynamic = [];

    private ElfFile(string path, SafeFileHandle file)
    {
        this.path = path;
        this.file = file;
        length = RandomAccess.GetLength(file);
    }

    /// <summary>Opens and checks a library: that it is ELF, for this processor, shared, and as long as its headers say.</summary>
    internal static ElfFile Open(string path)
    {
        SafeFileHandle file;
        try
        {
            file = File.OpenHandle(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new NativeLibraryException($"{path} cannot be opened: {e.Message}", e);
        }
        var elf = new ElfFile(path, file);
        try
        {
            elf.ReadHeaders();
            return elf;
        }
        catch
        {
            elf.Dispose();
            throw;
        }
    }

    /// <summary>The name other libraries ask for (DT_SONAME), or the file's name.</summary>
    internal string Soname => Strings(DtSoname).FirstOrDefault() ?? Path.GetFileName(path);

    /// <summary>Names of the libraries this one needs (DT_NEEDED), in order.</summary>
    internal IReadOnlyList<string> Needed => [.. Strings(DtNeeded)];

    /// <summary>Finds the requirement of a symbol version such as <c>GLIBCXX_3.4.32</c>, or null.</summary>
    internal VersionNeed? FindVersionNeed(string version)
    {
        if (Dynamic(DtVerNeed) is not { } address)
            return null;
        var library = Offset(address, 16);
        Span<byte> entry = stackalloc byte[16];
        for (ulong i = 0, count = Math.Min(Dynamic(DtVerNeedNum) ?? 0, MaxEntries); i < count; i++)
        {
            Read(library, entry);
            var users = BinaryPrimitives.ReadUInt16LittleEndian(entry[2..]);
            var need = library + BinaryPrimitives.ReadUInt32LittleEndian(entry[8..]);
            var next = BinaryPrimitives.ReadUInt32LittleEndian(entry[12..]);
            for (var j = 0; j < users; j++)
            {
                Read(need, entry);
                if (String(BinaryPrimitives.ReadUInt32LittleEndian(entry[8..])) == version)
                    return new((ushort)(BinaryPrimitives.ReadUInt16LittleEndian(entry[6..]) & 0x7fff), need + 4, BinaryPrimitives.ReadUInt16LittleEndian(entry[4..]));
                need += BinaryPrimitives.ReadUInt32LittleEndian(entry[12..]);
            }
            if (next == 0)
                break;
            library += next;
        }
        return null;
    }

    /// <summary>Names of the symbols that carry a version, or null where the library has no section table to count them by.</summary>
    internal IReadOnlyList<string>? SymbolsOfVersion(ushort index)
    {
        if (FindSection(ShtGnuVersym) is not { } versions || Dynamic(DtSymTab) is not { } symbols)
            return null;
        var count = (int)(versions.Size / 2);
        var table = new byte[count * 2];
        Read(versions.Offset, table);
        var names = new List<string>();
        Span<byte> symbol = stackalloc byte[SymbolSize];
        for (var i = 0; i < count; i++)
        {
            if ((BinaryPrimitives.ReadUInt16LittleEndian(table.AsSpan(2 * i)) & 0x7fff) != index)
                continue;
            Read(Offset(symbols + (ulong)(i * SymbolSize), SymbolSize), symbol);
            names.Add(String(BinaryPrimitives.ReadUInt32LittleEndian(symbol)));
        }
        return names;
    }

    public void Dispose() => file.Dispose();

    private void ReadHeaders()
    {
        if (length < HeaderSize)
            throw Broken($"has only {length} bytes");
        Span<byte> header = stackalloc byte[HeaderSize];
        Read(0, header);
        if (!header.StartsWith("\u007fELF"u8))
            throw Broken("does not begin with the ELF signature");
        if (header[4] != 2 || header[5] != 1)
            throw new NativeLibraryException($"{path} is not a 64-bit little-endian library and cannot be loaded into this process.");
        var machine = BinaryPrimitives.ReadUInt16LittleEndian(header[18..]);
        var wanted = RuntimeInformation.ProcessArchitecture switch { Architecture.X64 => 62, Architecture.Arm64 => 183, _ => machine };
        if (machine != wanted)
            throw new NativeLibraryException($"{path} is built for {MachineName(machine)}, but this process runs on {MachineName((ushort)wanted)}; use the files of that platform.");
        if (BinaryPrimitives.ReadUInt16LittleEndian(header[16..]) != 3)
            throw Broken("is an ELF file but not a shared library");

        var offset = BinaryPrimitives.ReadUInt64LittleEndian(header[32..]);
        var size = BinaryPrimitives.ReadUInt16LittleEndian(header[54..]);
        var count = BinaryPrimitives.ReadUInt16LittleEndian(header[56..]);
        if (size != ProgramHeaderSize || offset > (ulong)length || (ulong)count * ProgramHeaderSize > (ulong)length - offset)
            throw Broken("has a program header table outside the file");
        (long Offset, ulong Size) dynamicTable = default;
        Span<byte> program = stackalloc byte[ProgramHeaderSize];
        for (var i = 0; i < count; i++)
        {
            Read((long)offset + i * ProgramHeaderSize, program);
            var type = BinaryPrimitives.ReadUInt32LittleEndian(program);
            if (type is not (PtLoad or PtDynamic))
                continue;
            var start = BinaryPrimitives.ReadUInt64LittleEndian(program[8..]);
            var bytes = BinaryPrimitives.ReadUInt64LittleEndian(program[32..]);
            if (start > (ulong)length || bytes > (ulong)length - start)
                throw Broken($"is truncated: its headers describe at least {(start > ulong.MaxValue - bytes ? "2^64" : (start + bytes).ToString(System.Globalization.CultureInfo.InvariantCulture))} bytes, it has {length}");
            if (type == PtLoad)
                segments.Add((BinaryPrimitives.ReadUInt64LittleEndian(program[16..]), bytes, (long)start));
            else
                dynamicTable = ((long)start, bytes);
        }
        if (dynamicTable.Size == 0)
            throw Broken("has no dynamic section");
        Span<byte> entry = stackalloc byte[DynamicEntrySize];
        for (ulong i = 0; i < Math.Min(dynamicTable.Size / DynamicEntrySize, MaxEntries); i++)
        {
            Read(dynamicTable.Offset + (long)i * DynamicEntrySize, entry);
            var tag = BinaryPrimitives.ReadInt64LittleEndian(entry);
            if (tag == 0)
                break;
            dynamic.Add((tag, BinaryPrimitives.ReadUInt64LittleEndian(entry[8..])));
        }
    }

    private (long Offset, ulong Size)? FindSection(uint type)
    {
        Span<byte> header = stackalloc byte[HeaderSize];
        Read(0, header);
        var offset = BinaryPrimitives.ReadUInt64LittleEndian(header[40..]);
        var size = BinaryPrimitives.ReadUInt16LittleEndian(header[58..]);
        var count = BinaryPrimitives.ReadUInt16LittleEndian(header[60..]);
        if (offset == 0 || size != SectionHeaderSize || offset > (ulong)length || (ulong)count * SectionHeaderSize > (ulong)length - offset)
            return null;
        Span<byte> section = stackalloc byte[SectionHeaderSize];
        for (var i = 0; i < count; i++)
        {
            Read((long)offset + i * SectionHeaderSize, section);
            if (BinaryPrimitives.ReadUInt32LittleEndian(section[4..]) != type)
                continue;
            var start = BinaryPrimitives.ReadUInt64LittleEndian(section[24..]);
            var bytes = BinaryPrimitives.ReadUInt64LittleEndian(section[32..]);
            return start <= (ulong)length && bytes <= (ulong)length - start && bytes <= MaxEntries * 2 ? ((long)start, bytes) : null;
        }
        return null;
    }

    private ulong? Dynamic(long tag)
    {
        foreach (var entry in dynamic)
            if (entry.Tag == tag)
                return entry.Value;
        return null;
    }

    private IEnumerable<string> Strings(long tag) => dynamic.Where(e => e.Tag == tag).Select(e => String(e.Value));

    private string String(ulong index)
    {
        if (Dynamic(DtStrTab) is not { } table || index > int.MaxValue || table > long.MaxValue)
            throw Broken("has no usable string table");
        var offset = Offset(table + index, 1);
        Span<byte> bytes = stackalloc byte[(int)Math.Min(MaxString, length - offset)];
        Read(offset, bytes);
        var end = bytes.IndexOf((byte)0);
        return end >= 0 ? Encoding.UTF8.GetString(bytes[..end]) : throw Broken($"has an unterminated name at offset {offset}");
    }

    /// <summary>File offset of an address, with <paramref name="bytes"/> bytes inside the same segment.</summary>
    private long Offset(ulong address, ulong bytes)
    {
        foreach (var (start, size, offset) in segments)
            if (address >= start && bytes <= size && address - start <= size - bytes)
                return offset + (long)(address - start);
        throw Broken($"refers to address 0x{address:x}, which no segment holds");
    }

    private void Read(long offset, Span<byte> destination)
    {
        if (offset < 0 || offset > length - destination.Length || RandomAccess.Read(file, destination, offset) != destination.Length)
            throw Broken($"ends before offset {offset} + {destination.Length}");
    }

    private NativeLibraryException Broken(string what) =>
        new($"{path} {what}: it is not a usable shared library. Delete it and restore or install it again.");

    private static string MachineName(ushort machine) => machine switch { 62 => "x86-64", 183 => "arm64", 3 => "x86", 40 => "arm", 243 => "RISC-V", _ => $"machine type {machine}" };
}
