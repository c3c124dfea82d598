using System.Runtime.InteropServices;

namespace Generated.Kernels;

/// <summary>Owned native memory, aligned to a cache line and zeroed.</summary>
internal sealed unsafe class NativeBlock : IDisposable
{
    private const nuint Alignment = 64;
    private byte* _pointer;

    public NativeBlock(long bytes)
    {
        Bytes = bytes;
        _pointer = (byte*)NativeMemory.AlignedAlloc((nuint)Math.Max(bytes, 1), Alignment);
        NativeMemory.Clear(_pointer, (nuint)bytes);
        GC.AddMemoryPressure(Math.Max(bytes, 1));
    }

    ~NativeBlock() => Free();

    public long Bytes { get; }

    /// <exception cref="ObjectDisposedException">The memory has been freed.</exception>
    public byte* Pointer
    {
        get
        {
            ObjectDisposedException.ThrowIf(_pointer == null, this);
            return _pointer;
        }
    }

    public void Dispose()
    {
        Free();
        GC.SuppressFinalize(this);
    }

    private void Free()
    {
        if (_pointer == null)
            return;
        NativeMemory.AlignedFree(_pointer);
        _pointer = null;
        GC.RemoveMemoryPressure(Math.Max(Bytes, 1));
    }
}
