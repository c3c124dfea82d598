using FsCheck;
using FsCheck.Fluent;
using FsCheck.Xunit;
using Generated;
using Generated.Checkpoints;
using Generated.Checkpoints.Safetensors;
using Generated.Checkpoints.Storage;
using Generated.Checkpoints.Writing;

namespace Runtime.Tests.Checkpoints;

/// <summary>Partial reads, compared with index arithmetic that walks element by element.</summary>
public sealed class SliceTests
{
    [Property(MaxTest = 150)]
    public Property Read_AnySlice_EqualsTheElementsOneByOne() => Prop.ForAll(Cases(), c =>
    {
        using var folder = Files.Temporary();
        using var source = new MemorySource().Add("x", c.DType, c.Shape);
        CheckpointWriter.Write(source, folder.Path);
        using var file = SafetensorsFile.Open(folder["model.safetensors"]);
        return Bytes(source, c).AsSpan().SequenceEqual(Bytes(file, c));
    });

    [Property(MaxTest = 150)]
    public unsafe Property Read_ColumnMajor_EqualsTheElementsOneByOne() => Prop.ForAll(Cases(), c =>
    {
        // The same tensor with reversed axes, read through column-major strides.
        using var source = new MemorySource().Add("x", c.DType, c.Shape);
        var info = source.Info("x");
        var transposed = new byte[info.ByteCount];
        var rowMajor = source.ReadBytes("x");
        var size = c.DType.Size();
        var strides = StoredTensor.ColumnMajor(c.Shape);
        for (long i = 0; i < info.ElementCount; i++)
        {
            var (rest, target) = (i, 0L);
            for (var axis = c.Shape.Length - 1; axis >= 0; axis--)
            {
                (rest, var index) = Math.DivRem(rest, c.Shape[axis]);
                target += index * strides[axis];
            }

            rowMajor.AsSpan((int)(i * size), size).CopyTo(transposed.AsSpan((int)(target * size)));
        }

        fixed (byte* start = transposed)
        {
            using var memory = MappedFile.FromMemory("memory", start, transposed.Length);
            var stored = new StoredTensor(info, new MappedStorage(memory, 0, transposed.Length), 0, strides, "memory");
            using var file = new TensorFile(memory, [stored], new Dictionary<string, string>());
            return Bytes(source, c).AsSpan().SequenceEqual(Bytes(file, c));
        }
    });

    [Property(MaxTest = 150)]
    public Property Chunks_OneAfterAnother_AreTheWhole() => Prop.ForAll(Cases(), Gen.Choose(1, 40).ToArbitrary(), (c, most) =>
    {
        using var source = new MemorySource().Add("x", c.DType, c.Shape);
        var slice = c.Slice(source.Info("x"));
        var joined = new List<byte>();
        foreach (var chunk in slice.Chunks(most))
        {
            Assert.InRange(chunk.ElementCount, 1, most);
            var bytes = new byte[chunk.ElementCount * c.DType.Size()];
            source.Read("x", chunk, bytes);
            joined.AddRange(bytes);
        }

        return joined.SequenceEqual(Bytes(source, c));
    });

    [Fact]
    public void Part_EqualParts_CoverTheAxis()
    {
        var info = new TensorInfo("x", DType.F32, 4, 6);
        var part = TensorSlice.Part(info, 1, 1, 3);
        Assert.Equal([0L, 2L], part.Start);
        Assert.Equal([4L, 2L], part.Count);
        Assert.Throws<InvalidInputException>(() => TensorSlice.Part(info, 0, 0, 3));
    }

    [Theory]
    [InlineData(0, 0, 5)]
    [InlineData(0, 5, 0)]
    [InlineData(0, -1, 1)]
    [InlineData(0, 0, -1)]
    [InlineData(2, 0, 1)]
    [InlineData(-1, 0, 1)]
    [InlineData(1, long.MaxValue, long.MaxValue)]
    public void Along_OutsideTheTensor_IsRefused(int axis, long first, long count) =>
        Assert.Throws<ArgumentOutOfRangeException>(() => TensorSlice.Along(new TensorInfo("x", DType.F32, 4, 6), axis, first, count));

    [Fact]
    public void Read_SliceOrDestinationOfAnotherTensor_IsRefused()
    {
        using var file = SafetensorsFile.Open(Files.Fixture("llama", "model.safetensors"));
        var larger = TensorSlice.All(new TensorInfo("x", DType.F32, 65));
        Assert.Throws<ArgumentException>(() => file.Read("model.norm.weight", larger, new byte[65 * 4]));
        Assert.Throws<ArgumentException>(() => file.Read("lm_head.weight", larger, new byte[65 * 4]));
        Assert.Throws<ArgumentException>(() => file.Read("model.norm.weight", new byte[255]));
    }

    [Fact]
    public void Read_BeyondTwoGigabytes_FindsTheBytes()
    {
        // A file of 6 GB that takes no space: only its header and its last bytes are written.
        using var folder = Files.Temporary();
        const long Rows = 3, Columns = 1L << 30;
        var header = System.Text.Encoding.ASCII.GetBytes($$$"""{"x":{"dtype":"F16","shape":[{{{Rows}}},{{{Columns}}}],"data_offsets":[0,{{{Rows * Columns * 2}}}]}}""");
        using (var stream = File.Create(folder["x.safetensors"]))
        {
            stream.Write(BitConverter.GetBytes((long)header.Length));
            stream.Write(header);
            stream.SetLength(stream.Position + (Rows * Columns * 2));
            stream.Seek(-4, SeekOrigin.End);
            stream.Write([1, 2, 3, 4]);
        }

        using var file = SafetensorsFile.Open(folder["x.safetensors"]);
        var end = TensorSlice.Along(file.Info("x"), 0, 2, 1).Narrow(1, Columns - 3, 3);
        var bytes = new byte[6];
        file.Read("x", end, bytes);
        Assert.Equal([0, 0, 1, 2, 3, 4], bytes);
        Assert.Contains("too large", Assert.Throws<InvalidInputException>(() => file.ReadBytes("x")).Message, StringComparison.Ordinal);
    }

    private static byte[] Bytes(ITensorSource source, Case c)
    {
        var slice = c.Slice(source.Info("x"));
        var bytes = new byte[slice.ElementCount * c.DType.Size()];
        source.Read("x", slice, bytes);
        return bytes;
    }

    private static Arbitrary<Case> Cases()
    {
        var axis = from size in Gen.Choose(0, 9)
                   from start in Gen.Choose(0, size)
                   from count in Gen.Choose(0, size - start)
                   select (Size: (long)size, Start: (long)start, Count: (long)count);
        return (from dtype in Gen.Elements(DType.U8, DType.BF16, DType.F32, DType.I64)
                from rank in Gen.Choose(0, 4)
                from axes in axis.ArrayOf(rank)
                select new Case(dtype, [.. axes.Select(a => a.Size)], [.. axes.Select(a => a.Start)], [.. axes.Select(a => a.Count)]))
            .ToArbitrary();
    }

    public sealed record Case(DType DType, long[] Shape, long[] Start, long[] Count)
    {
        public TensorSlice Slice(TensorInfo info)
        {
            var slice = TensorSlice.All(info);
            for (var axis = 0; axis < Shape.Length; axis++)
                slice = slice.Narrow(axis, Start[axis], Count[axis]);
            return slice;
        }
    }
}
