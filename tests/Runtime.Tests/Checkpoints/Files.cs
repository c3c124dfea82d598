using Generated.Checkpoints;

namespace Runtime.Tests.Checkpoints;

/// <summary>The recorded checkpoints, and folders for what a test writes.</summary>
internal static class Files
{
    public static string Fixtures => RecordedFixtures.Root;

    /// <summary>The complete recordings, which are too large for the repository; null where they are not.</summary>
    public static string? SharedFixtures
    {
        get
        {
            if (Environment.GetEnvironmentVariable("GENERATED_SHARED") is { Length: > 0 } named)
                return Existing(Path.Combine(named, "fixtures"));
            for (var folder = new DirectoryInfo(Root()); folder is not null; folder = folder.Parent)
            {
                if (Existing(Path.Combine(folder.FullName, "shared", "fixtures")) is { } found)
                    return found;
            }

            return null;

            static string? Existing(string path) => Directory.Exists(path) ? path : null;
        }
    }

    public static string Fixture(params string[] parts) => Path.Combine([Fixtures, .. parts]);

    public static TemporaryFolder Temporary() => new();

    /// <summary>Every tensor of <paramref name="expected"/> is in <paramref name="actual"/> with equal dtype, shape and bytes, and no other.</summary>
    public static void AssertSame(ITensorSource expected, ITensorSource actual)
    {
        Assert.Equal(expected.Tensors.Keys.Order(StringComparer.Ordinal), actual.Tensors.Keys.Order(StringComparer.Ordinal));
        foreach (var (name, info) in expected.Tensors)
            AssertSame(expected, name, actual, info.Name);
    }

    public static void AssertSame(ITensorSource expected, string name, ITensorSource actual, string actualName)
    {
        var (e, a) = (expected.Info(name), actual.Info(actualName));
        Assert.Equal(e.Rename(actualName).ToString(), a.ToString());
        Assert.True(expected.ReadBytes(name).AsSpan().SequenceEqual(actual.ReadBytes(actualName)), $"bytes of {name} differ");
    }

    private static string Root()
    {
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            if (File.Exists(Path.Combine(folder.FullName, "Generated.sln")))
                return folder.FullName;
        }

        throw new InvalidOperationException("The tests run outside the repository.");
    }
}

internal sealed class TemporaryFolder : IDisposable
{
    public string Path { get; } = Directory.CreateTempSubdirectory("generated-tests-").FullName;

    public string this[string name] => System.IO.Path.Combine(Path, name);

    public void Dispose() => Directory.Delete(Path, recursive: true);
}

/// <summary>Tensors in memory, for what a test writes.</summary>
internal sealed class MemorySource : ITensorSource
{
    private readonly OrderedDictionary<string, TensorInfo> _infos = new(StringComparer.Ordinal);
    private readonly Dictionary<string, byte[]> _bytes = new(StringComparer.Ordinal);

    public string Location => "memory";

    public IReadOnlyDictionary<string, TensorInfo> Tensors => _infos;

    public IReadOnlyDictionary<string, string> Metadata { get; } = new Dictionary<string, string>();

    /// <summary>Adds a tensor of counting bytes.</summary>
    public MemorySource Add(string name, DType dtype, params long[] shape)
    {
        var info = new TensorInfo(name, dtype, shape);
        var bytes = new byte[info.ByteCount];
        for (var i = 0; i < bytes.Length; i++)
            bytes[i] = (byte)((i * 7) + _infos.Count + (i >> 8));
        _infos.Add(name, info);
        _bytes.Add(name, bytes);
        return this;
    }

    public void Read(string name, TensorSlice slice, Span<byte> destination)
    {
        // Index arithmetic of its own, element by element: this is what slices of the readers are compared with.
        var info = _infos[name];
        var size = info.DType.Size();
        var position = 0;
        foreach (var index in Indices(slice.Count))
        {
            long element = 0;
            for (var axis = 0; axis < index.Length; axis++)
                element = (element * info.Shape[axis]) + slice.Start[axis] + index[axis];
            _bytes[name].AsSpan((int)(element * size), size).CopyTo(destination[position..]);
            position += size;
        }
    }

    public void Dispose()
    {
    }

    private static IEnumerable<long[]> Indices(IReadOnlyList<long> counts)
    {
        var total = counts.Aggregate(1L, (product, count) => product * count);
        for (long i = 0; i < total; i++)
        {
            var index = new long[counts.Count];
            var rest = i;
            for (var axis = counts.Count - 1; axis >= 0; axis--)
                (rest, index[axis]) = Math.DivRem(rest, counts[axis]);
            yield return index;
        }
    }
}
