using System.Runtime.InteropServices;

namespace Generated.Tests;

/// <summary>
/// What native code holds of the C heap: libtorch's tensors, kernels' buffers. Unlike the resident set it counts neither freed memory
/// that malloc keeps, nor fragments between its arenas, nor the managed heap, all of which depend on what ran before.
/// </summary>
internal static partial class NativeHeap
{
    /// <summary>Bytes in use, all arenas and mapped chunks; what only finalizers would free is given the time to go first.</summary>
    /// <exception cref="Xunit.SkipException">The C library does not tell.</exception>
    public static long BytesInUse()
    {
        Skip.IfNot(OperatingSystem.IsLinux() && NativeLibrary.TryLoad("libc.so.6", out var libc) && NativeLibrary.TryGetExport(libc, "mallinfo2", out _),
            "mallinfo2 needs glibc 2.33 or newer");
        GC.Collect();
        GC.WaitForPendingFinalizers();
        var info = mallinfo2();
        return (long)(info.UsedInArenas + info.UsedInMappings);
    }

    /// <summary>Number of mappings of files under a folder: what a memory-mapped checkpoint leaves when it is not closed.</summary>
    public static int MappingsOf(string folder) =>
        File.ReadLines("/proc/self/maps").Count(line => line.Contains(folder, StringComparison.Ordinal));

    [LibraryImport("libc.so.6")]
    private static partial MallocInfo mallinfo2();

    [StructLayout(LayoutKind.Sequential)]
    private struct MallocInfo
    {
        public nuint Arena;
        public nuint FreeChunks;
        public nuint FastBinChunks;
        public nuint Mappings;
        public nuint UsedInMappings;
        public nuint Unused;
        public nuint FreeInFastBins;
        public nuint UsedInArenas;
        public nuint FreeInArenas;
        public nuint Releasable;
    }
}
