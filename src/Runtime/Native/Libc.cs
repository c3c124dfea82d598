using System.Runtime.InteropServices;

namespace Generated.Native;

/// <summary>The few functions of glibc that .NET has no equivalent of.</summary>
internal static unsafe partial class Libc
{
    private const int RtldNow = 2;
    private const int AtFdCwd = -100;
    private const int AtSymlinkNoFollow = 0x100;
    private const uint StatxUid = 0x8;
    private const int StatxUidOffset = 20;
    private const int StatxSize = 256;
    private const int SigTerm = 15;
    private const int MMmapThreshold = -3;
    private const int MTrimThreshold = -1;

    /// <summary>Whether the C library is glibc (musl has neither its malloc settings nor its symbol versions).</summary>
    internal static bool IsGlibc { get; } =
        OperatingSystem.IsLinux() && NativeLibrary.TryLoad("libc.so.6", out var libc) && NativeLibrary.TryGetExport(libc, "gnu_get_libc_version", out _);

    /// <summary>
    /// Sets a variable in the environment that C libraries read; <see cref="Environment.SetEnvironmentVariable(string, string?)"/>
    /// changes only .NET's own copy. Call it while no other thread can be reading the C environment.
    /// </summary>
    internal static void SetEnvironment(string name, string value, bool overwrite = true)
    {
        if (overwrite || Environment.GetEnvironmentVariable(name) is null)
            Environment.SetEnvironmentVariable(name, value);
        if (!OperatingSystem.IsWindows())
            _ = setenv(name, value, overwrite ? 1 : 0);
    }

    /// <summary>
    /// Keeps freed memory in the process instead of returning it to the system. libtorch allocates every large
    /// result anew; with glibc's defaults each one is mapped, page-faulted and unmapped again, which makes large
    /// element-wise operations several times slower. The price is a larger resident set.
    /// </summary>
    internal static void KeepFreedMemory()
    {
        _ = mallopt(MMmapThreshold, 1 << 30);
        _ = mallopt(MTrimThreshold, int.MaxValue);
    }

    /// <summary>
    /// Allocations from here on are mappings of their own, which go back to the system when they are freed. Freed pieces of malloc's arenas
    /// are not used again for tensors of the same size where their alignment has cut them up.
    /// </summary>
    internal static void MapAllocations(int bytes) => _ = mallopt(MMmapThreshold, bytes);

    /// <summary>Returns what of freed memory can be returned to the system, from all arenas of malloc.</summary>
    internal static void ReturnFreedMemory() => _ = malloc_trim(0);

    /// <summary>Opens a library and resolves every symbol at once, so that a missing one is a message here and not the end of the process later.</summary>
    /// <returns>null, or dlerror's text.</returns>
    internal static string? OpenResolvingAll(string path)
    {
        // The first call binds dlerror, which would itself clear the message that follows.
        _ = dlerror();
        return dlopen(path, RtldNow) != 0 ? null : Marshal.PtrToStringUTF8(dlerror()) ?? "the system loader gave no reason";
    }

    /// <summary>Whether the file or folder (not what a link points to) belongs to the user of this process.</summary>
    internal static bool IsOwnedByUser(string path)
    {
        var buffer = stackalloc byte[StatxSize];
        return statx(AtFdCwd, path, AtSymlinkNoFollow, StatxUid, buffer) == 0 && *(uint*)(buffer + StatxUidOffset) == geteuid();
    }

    internal static uint UserId => geteuid();

    /// <summary>Sends SIGTERM.</summary>
    internal static void Terminate(int process) => _ = kill(process, SigTerm);

    [LibraryImport("libc", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int setenv(string name, string value, int overwrite);

    [LibraryImport("libc")]
    private static partial int mallopt(int parameter, int value);

    [LibraryImport("libc")]
    private static partial int malloc_trim(nuint pad);

    [LibraryImport("libc", StringMarshalling = StringMarshalling.Utf8)]
    private static partial nint dlopen(string path, int flags);

    [LibraryImport("libc")]
    private static partial nint dlerror();

    [LibraryImport("libc", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int statx(int folder, string path, int flags, uint mask, byte* buffer);

    [LibraryImport("libc")]
    private static partial uint geteuid();

    [LibraryImport("libc")]
    private static partial int kill(int process, int signal);
}
