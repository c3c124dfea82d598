using System.IO.MemoryMappedFiles;
using System.Runtime.InteropServices;

namespace Generated.Checkpoints.Storage;

/// <summary>
/// A file mapped read-only, or bytes held in memory. Nothing outside <c>[0, Length)</c> can be read through it:
/// every access goes through <see cref="Span"/>, which checks its range.
/// </summary>
internal sealed unsafe partial class MappedFile : IDisposable
{
    private readonly MemoryMappedFile? _map;
    private readonly MemoryMappedViewAccessor? _view;
    private byte* _start;
    private bool _released;

    private MappedFile(string path, MemoryMappedFile? map, MemoryMappedViewAccessor? view, byte* start, long length)
    {
        Path = path;
        Length = length;
        _map = map;
        _view = view;
        _start = start;
    }

    ~MappedFile() => Release();

    public string Path { get; }

    public long Length { get; }

    /// <summary>Maps a file.</summary>
    /// <exception cref="InvalidInputException">The file is missing, unreadable or not a regular file.</exception>
    public static MappedFile Open(string path)
    {
        MemoryMappedFile? map = null;
        try
        {
            using var stream = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read, bufferSize: 0);
            var length = stream.Length;
            if (length == 0)
                throw new InvalidInputException($"{path} is empty.");
            map = MemoryMappedFile.CreateFromFile(stream, null, 0, MemoryMappedFileAccess.Read, HandleInheritability.None, leaveOpen: true);
            var view = map.CreateViewAccessor(0, length, MemoryMappedFileAccess.Read);
            byte* start = null;
            view.SafeMemoryMappedViewHandle.AcquirePointer(ref start);
            return new MappedFile(path, map, view, start + view.PointerOffset, length);
        }
        catch (FileNotFoundException)
        {
            throw new InvalidInputException($"{path} does not exist.");
        }
        catch (DirectoryNotFoundException)
        {
            throw new InvalidInputException($"{path} does not exist.");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or NotSupportedException or ArgumentException)
        {
            map?.Dispose();
            throw new InvalidInputException($"{path} cannot be read: {e.Message}", e);
        }
    }

    /// <summary>Wraps memory that outlives the instance (tests read hostile bytes through this, with an unreadable page behind them).</summary>
    public static MappedFile FromMemory(string path, byte* start, long length) => new(path, null, null, start, length);

    /// <summary>The bytes <c>[offset, offset + length)</c>.</summary>
    /// <exception cref="InvalidInputException">The range lies outside the file.</exception>
    public ReadOnlySpan<byte> Span(long offset, int length)
    {
        Check(offset, length);
        return new ReadOnlySpan<byte>(_start + offset, length);
    }

    /// <summary>The address of byte <paramref name="offset"/>, of which <paramref name="length"/> bytes may be read.</summary>
    public byte* Pointer(long offset, long length)
    {
        Check(offset, length);
        return _start + offset;
    }

    /// <summary>
    /// Takes the pages read so far out of this process's memory; reading them again brings them back. A file that is read once from
    /// front to back would otherwise count fully as resident beside what it was copied into.
    /// </summary>
    public void ForgetPages()
    {
        if (!OperatingSystem.IsLinux() || _view is null || _released)
            return;
        var ahead = (nuint)_start % (nuint)Environment.SystemPageSize;
        _ = Posix.Advise(_start - ahead, (nuint)Length + ahead, Posix.DontNeed);
    }

    public void Dispose()
    {
        Release();
        GC.SuppressFinalize(this);
    }

    /// <summary>Refuses a range that lies outside the file.</summary>
    public void Check(long offset, long length)
    {
        ObjectDisposedException.ThrowIf(_released, this);
        if (offset < 0 || length < 0 || offset > Length - length)
            throw new InvalidInputException($"{Path} is truncated or damaged: {length} bytes at {offset} lie outside its {Length} bytes.");
    }

    private void Release()
    {
        if (_released)
            return;
        _released = true;
        _start = null;
        if (_view is null)
            return;
        _view.SafeMemoryMappedViewHandle.ReleasePointer();
        _view.Dispose();
        _map!.Dispose();
    }

    private static partial class Posix
    {
        public const int DontNeed = 4;

        [LibraryImport("libc", EntryPoint = "madvise")]
        public static partial int Advise(byte* start, nuint length, int advice);
    }
}
