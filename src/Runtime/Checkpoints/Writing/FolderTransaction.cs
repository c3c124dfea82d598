using System.Runtime.InteropServices;
using System.Runtime.Versioning;

namespace Generated.Checkpoints.Writing;

/// <summary>
/// A folder that appears whole or not at all. Everything is written into <c>NAME.partial</c> beside it, and <see cref="Commit"/> flushes and renames that.
/// What an interrupted run left is removed by the next one; a second process that writes the same folder at the same time is refused.
/// </summary>
public sealed partial class FolderTransaction : IDisposable
{
    private const string PartialSuffix = ".partial";
    private const string ReplacedSuffix = ".replaced";
    private const string LockSuffix = ".lock";

    /// <summary>Windows flushes only what it may write; elsewhere files copied from a read-only folder have to work too.</summary>
    private static readonly FileAccess FlushAccess = OperatingSystem.IsWindows() ? FileAccess.ReadWrite : FileAccess.Read;

    private readonly string _replaced;
    private readonly bool _resumable;
    private FileStream? _lock;

    private FolderTransaction(string target, FileStream held, bool resumable)
    {
        Target = target;
        _resumable = resumable;
        Folder = target + PartialSuffix;
        _replaced = target + ReplacedSuffix;
        _lock = held;
    }

    /// <summary>The final folder.</summary>
    public string Target { get; }

    /// <summary>Where to write until <see cref="Commit"/>.</summary>
    public string Folder { get; }

    /// <summary>Starts a folder.</summary>
    /// <param name="target">The final folder; its parent is created where it is missing.</param>
    /// <param name="overwrite">Whether a folder that is there and not empty is replaced on <see cref="Commit"/>; otherwise it is refused.</param>
    /// <param name="resumable">Whether what an interrupted run left in <see cref="Folder"/> is kept, and unfinished work stays for the next run.</param>
    /// <exception cref="InvalidInputException">The folder exists, or a file does.</exception>
    /// <exception cref="GeneratedException">Another process is writing it, or the parent cannot be written.</exception>
    public static FolderTransaction Begin(string target, bool overwrite = false, bool resumable = false)
    {
        target = Path.TrimEndingDirectorySeparator(Path.GetFullPath(target));
        if (File.Exists(target))
            throw new InvalidInputException($"{target} is a file; name a folder to write.");
        FolderTransaction transaction;
        try
        {
            Directory.CreateDirectory(Path.GetDirectoryName(target) ?? throw new InvalidInputException($"{target} cannot be written as a folder."));
            transaction = new FolderTransaction(target, Hold(target), resumable);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new GeneratedException($"{target} cannot be written: {e.Message}", e);
        }

        try
        {
            transaction.Recover();
            if (!overwrite && Directory.Exists(target) && Directory.EnumerateFileSystemEntries(target).Any())
                throw new InvalidInputException($"{target} exists and is not empty; remove it, name another folder or allow overwriting.");
            Directory.CreateDirectory(transaction.Folder);
            return transaction;
        }
        catch
        {
            transaction.Dispose();
            throw;
        }
    }

    /// <summary>Brings back a folder whose replacement was interrupted between its two renames; does nothing where there was none.</summary>
    /// <exception cref="GeneratedException">Another process is writing it, or it cannot be written.</exception>
    internal static void Recover(string target)
    {
        if (Directory.Exists(Path.TrimEndingDirectorySeparator(Path.GetFullPath(target)) + ReplacedSuffix))
            Begin(target, overwrite: true).Dispose();
    }

    /// <summary>Flushes all files to the disk and gives the folder its name, replacing what had it.</summary>
    /// <exception cref="GeneratedException">The disk is full or failing; the folder that was there before is still there.</exception>
    public void Commit()
    {
        ObjectDisposedException.ThrowIf(_lock is null, this);
        try
        {
            foreach (var file in Directory.EnumerateFiles(Folder, "*", SearchOption.AllDirectories))
            {
                using var handle = File.OpenHandle(file, FileMode.Open, FlushAccess);
                RandomAccess.FlushToDisk(handle);
            }

            FlushDirectory(Folder);
            if (Directory.Exists(Target))
                Directory.Move(Target, _replaced);
            Directory.Move(Folder, Target);
            FlushDirectory(Path.GetDirectoryName(Target)!);
            DeleteFolder(_replaced);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new GeneratedException($"{Target} cannot be written: {e.Message}", e);
        }

        Release();
    }

    /// <summary>Without <see cref="Commit"/>, removes everything that was written, unless it is to be resumed.</summary>
    public void Dispose()
    {
        if (_lock is null)
            return;
        try
        {
            Recover();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // What cannot be removed now is removed by the next run; the cause of the disposal matters more.
        }

        Release();
    }

    /// <summary>Brings a half-committed replacement back and removes unfinished work.</summary>
    private void Recover()
    {
        if (Directory.Exists(_replaced))
        {
            if (Directory.Exists(Target))
                DeleteFolder(_replaced);
            else
                Directory.Move(_replaced, Target);
        }

        if (!_resumable)
            DeleteFolder(Folder);
    }

    private static FileStream Hold(string target)
    {
        try
        {
            return new FileStream(target + LockSuffix, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None, bufferSize: 0, FileOptions.DeleteOnClose);
        }
        catch (IOException e) when (File.Exists(target + LockSuffix))
        {
            throw new GeneratedException($"{target} is being written by another process ({target + LockSuffix} is locked).", e);
        }
    }

    private void Release()
    {
        _lock?.Dispose();
        _lock = null;
    }

    private static void DeleteFolder(string folder)
    {
        if (Directory.Exists(folder))
            Directory.Delete(folder, recursive: true);
    }

    /// <summary>A rename is on the disk when its directory is; .NET cannot flush one.</summary>
    private static void FlushDirectory(string folder)
    {
        if (OperatingSystem.IsLinux())
            Posix.FlushDirectory(folder);
    }

    [SupportedOSPlatform("linux")]
    private static partial class Posix
    {
        private const int ReadOnly = 0;

        public static void FlushDirectory(string folder)
        {
            var descriptor = Open(folder, ReadOnly);
            if (descriptor < 0)
                return;
            _ = Sync(descriptor);
            _ = Close(descriptor);
        }

        [LibraryImport("libc", EntryPoint = "open", StringMarshalling = StringMarshalling.Utf8)]
        private static partial int Open(string path, int flags);

        [LibraryImport("libc", EntryPoint = "fsync")]
        private static partial int Sync(int descriptor);

        [LibraryImport("libc", EntryPoint = "close")]
        private static partial int Close(int descriptor);
    }
}
