using System.Runtime.InteropServices;

namespace Generated.Benchmarks;

/// <summary>Native buffers of a benchmark, freed together.</summary>
internal sealed unsafe class BenchMemory : IDisposable
{
    private readonly List<nint> _blocks = [];
    private readonly List<IDisposable> _owned = [];

    /// <summary>Disposes <paramref name="resource"/> with the buffers.</summary>
    public void Own(IDisposable resource) => _owned.Add(resource);

    public float* Floats(long count)
    {
        var block = NativeMemory.AlignedAlloc((nuint)count * sizeof(float), 64);
        _blocks.Add((nint)block);
        NativeMemory.Clear(block, (nuint)count * sizeof(float));
        return (float*)block;
    }

    public float* Random(long count)
    {
        var values = Floats(count);
        var random = new Random(1);
        for (long i = 0; i < count; i++)
            values[i] = random.NextSingle() - 0.5f;
        return values;
    }

    public void Dispose()
    {
        foreach (var block in _blocks)
            NativeMemory.AlignedFree((void*)block);
        _blocks.Clear();
        _owned.ForEach(resource => resource.Dispose());
        _owned.Clear();
    }
}
