using System.Runtime.InteropServices;

namespace Runtime.Tests.Kernels;

/// <summary>Native memory between two guards: bytes of a known pattern that tell whether a kernel wrote outside.</summary>
internal sealed unsafe class NativeArray<T> : IDisposable
    where T : unmanaged
{
    private const int Guard = 256;
    private const byte Pattern = 0xA5;
    private readonly byte* _block;

    public NativeArray(int length)
    {
        Length = length;
        _block = (byte*)NativeMemory.Alloc((nuint)(length * sizeof(T) + 2 * Guard));
        new Span<byte>(_block, length * sizeof(T) + 2 * Guard).Fill(Pattern);
    }

    public NativeArray(ReadOnlySpan<T> values)
        : this(values.Length) => values.CopyTo(Span);

    public int Length { get; }

    public T* Pointer => (T*)(_block + Guard);

    public Span<T> Span => new(Pointer, Length);

    public void AssertGuardsIntact()
    {
        Assert.Equal(-1, new Span<byte>(_block, Guard).IndexOfAnyExcept(Pattern));
        Assert.Equal(-1, new Span<byte>(_block + Guard + Length * sizeof(T), Guard).IndexOfAnyExcept(Pattern));
    }

    public void Dispose() => NativeMemory.Free(_block);
}
