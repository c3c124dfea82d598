using Microsoft.Win32.SafeHandles;

namespace Generated.Checkpoints.Writing;

/// <summary>
/// A file that appears whole or not at all: it is written under another name in the same folder, flushed to the disk and renamed.
/// An interrupted run leaves <c>NAME.partial</c>, which the next one overwrites.
/// </summary>
internal sealed class AtomicFile : IDisposable
{
    public const string PartialSuffix = ".partial";

    private readonly string _partial;
    private SafeFileHandle? _handle;

    /// <param name="path">The final path.</param>
    /// <param name="length">The final length, so that a full disk shows before hours of work.</param>
    /// <exception cref="GeneratedException">The file cannot be created.</exception>
    public AtomicFile(string path, long length)
    {
        Path = path;
        _partial = path + PartialSuffix;
        try
        {
            _handle = File.OpenHandle(_partial, FileMode.Create, FileAccess.Write, FileShare.None, FileOptions.None, length);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new GeneratedException($"{path} cannot be written: {e.Message}", e);
        }
    }

    public string Path { get; }

    /// <exception cref="GeneratedException">The disk is full or failing.</exception>
    public void Write(long offset, ReadOnlySpan<byte> bytes)
    {
        ObjectDisposedException.ThrowIf(_handle is null, this);
        try
        {
            RandomAccess.Write(_handle, bytes, offset);
        }
        catch (IOException e)
        {
            throw new GeneratedException($"{Path} cannot be written: {e.Message}", e);
        }
    }

    /// <summary>Flushes the file to the disk, still under its temporary name.</summary>
    public void Flush()
    {
        if (_handle is null)
            return;
        RandomAccess.FlushToDisk(_handle);
        _handle.Dispose();
        _handle = null;
    }

    /// <summary>Gives the file its name, replacing what had it.</summary>
    public void Commit()
    {
        Flush();
        File.Move(_partial, Path, overwrite: true);
    }

    /// <summary>Deletes the file unless it was committed.</summary>
    public void Dispose()
    {
        _handle?.Dispose();
        _handle = null;
        File.Delete(_partial);
    }

    /// <summary>Writes a small file atomically.</summary>
    public static void WriteAllBytes(string path, ReadOnlySpan<byte> bytes)
    {
        using var file = new AtomicFile(path, bytes.Length);
        file.Write(0, bytes);
        file.Commit();
    }
}
