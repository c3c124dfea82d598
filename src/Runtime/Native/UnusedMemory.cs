using System.Runtime;

namespace Generated.Native;

/// <summary>
/// Gives memory back that nothing uses any more. .NET puts full collections off while there is memory, and does not count what libtorch
/// holds beside it; the C library keeps what was freed (<see cref="Libc.KeepFreedMemory"/>). Both are right for a model that runs, and
/// wrong where matrices of many sizes come and go once and the peak is what counts.
/// </summary>
internal static class UnusedMemory
{
    private const long Large = 1 << 22;

    /// <summary>Large enough that mapping and unmapping costs little beside what is computed; what is smaller is many times smaller than the peak.</summary>
    private const int Mapped = 1 << 24;

    private static int _periods;

    /// <summary>Collects managed memory and gives it back, if what has just become unused is worth the time.</summary>
    /// <param name="bytes">About how much that is.</param>
    public static void Release(long bytes)
    {
        if (bytes < Large)
            return;
        CollectManaged();
        ReturnFreed();
    }

    /// <summary>
    /// Gives back what native code has freed. Aligned tensors leave gaps that tensors of the same size do not fit in, so that a loop over equal
    /// parts may leave a multiple of what it uses behind.
    /// </summary>
    public static void ReturnFreed()
    {
        if (LibTorch.KeepsFreedMemory)
            Libc.ReturnFreedMemory();
    }

    /// <summary>Until the result is disposed of, large tensors of the whole process go back to the system when they are freed.</summary>
    public static IDisposable ReturnAtOnce()
    {
        if (LibTorch.KeepsFreedMemory && Interlocked.Increment(ref _periods) == 1)
            Libc.MapAllocations(Mapped);
        return new Period();
    }

    private static void CollectManaged()
    {
        GCSettings.LargeObjectHeapCompactionMode = GCLargeObjectHeapCompactionMode.CompactOnce;
        GC.Collect(GC.MaxGeneration, GCCollectionMode.Aggressive, blocking: true, compacting: true);
    }

    private sealed class Period : IDisposable
    {
        public void Dispose()
        {
            if (LibTorch.KeepsFreedMemory && Interlocked.Decrement(ref _periods) == 0)
                Libc.KeepFreedMemory();
        }
    }
}
