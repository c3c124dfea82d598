using System.Runtime.InteropServices;
using Generated.Checkpoints.Storage;

namespace Runtime.Tests.Checkpoints;

/// <summary>Memory with an unreadable page behind it (on Linux): a read past the end ends the process, so no test can miss one.</summary>
internal sealed unsafe partial class GuardedMemory : IDisposable
{
    private const int ReadWrite = 3, None = 0, PrivateAnonymous = 0x22;

    private readonly byte* _start;
    private readonly nuint _capacity;

    public GuardedMemory(int capacity)
    {
        var page = (nuint)Environment.SystemPageSize;
        _capacity = ((nuint)capacity + page - 1) / page * page;
        if (!OperatingSystem.IsLinux())
        {
            _start = (byte*)NativeMemory.Alloc(_capacity);
            return;
        }

        _start = (byte*)mmap(null, _capacity + page, ReadWrite, PrivateAnonymous, -1, 0);
        Assert.Equal(0, mprotect(_start + _capacity, page, None));
    }

    /// <summary>The bytes, ending at the unreadable page. Valid until the next call.</summary>
    public MappedFile Place(ReadOnlySpan<byte> bytes)
    {
        var start = _start + _capacity - bytes.Length;
        bytes.CopyTo(new Span<byte>(start, bytes.Length));
        return MappedFile.FromMemory("memory", start, bytes.Length);
    }

    public void Dispose()
    {
        if (OperatingSystem.IsLinux())
            _ = munmap(_start, _capacity + (nuint)Environment.SystemPageSize);
        else
            NativeMemory.Free(_start);
    }

    [LibraryImport("libc")]
    private static partial void* mmap(void* address, nuint length, int protection, int flags, int descriptor, nint offset);

    [LibraryImport("libc")]
    private static partial int mprotect(void* address, nuint length, int protection);

    [LibraryImport("libc")]
    private static partial int munmap(void* address, nuint length);
}
