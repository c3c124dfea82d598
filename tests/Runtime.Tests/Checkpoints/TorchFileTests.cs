using System.Buffers.Binary;
using System.IO.Compression;
using System.Runtime.InteropServices;
using Generated;
using Generated.Checkpoints;

namespace Runtime.Tests.Checkpoints;

public sealed class TorchFileTests
{
    [Fact]
    public void Open_RecordedShards_EqualTheSafetensors()
    {
        using var expected = Checkpoint.Open(Files.Fixture("llama"));
        using var actual = Checkpoint.Open(Files.Fixture("llama-bin"));
        Assert.Equal(CheckpointFormat.TorchPickle, actual.Format);
        Assert.Equal(CheckpointLayout.HuggingFace, actual.Layout);
        foreach (var name in expected.Tensors.Keys)
            Files.AssertSame(expected, name, actual, name);

        // Old checkpoints also hold the rotary buffers, which the model declares as ignored.
        Assert.All(actual.Tensors.Keys.Except(expected.Tensors.Keys), name => Assert.EndsWith("rotary_emb.inv_freq", name, StringComparison.Ordinal));
        Assert.Equal(33, actual.Tensors.Count);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Open_SharedAndStridedStorages_ReadsTheViews(bool zip64)
    {
        using var folder = Files.Temporary();
        File.WriteAllBytes(folder["pytorch_model.bin"], ZipBuilder.Archive(zip64, ("archive/data.pkl", Views()), ("archive/byteorder", "little"u8.ToArray()), ("archive/data/0", Counting(12))));
        using var file = Checkpoint.Open(folder.Path);
        AssertViews(file);
    }

    [Fact]
    public void Open_LegacyStream_ReadsTheViews()
    {
        using var folder = Files.Temporary();
        File.WriteAllBytes(folder["pytorch_model.bin"], Legacy(12));
        using var file = Checkpoint.Open(folder.Path);
        AssertViews(file);
    }

    [Fact]
    public void Open_LegacyStreamCutOff_IsRefused()
    {
        var whole = Legacy(12);
        using var folder = Files.Temporary();
        foreach (var length in Enumerable.Range(20, whole.Length - 20))
        {
            File.WriteAllBytes(folder["pytorch_model.bin"], whole[..length]);
            Assert.Throws<InvalidInputException>(() => Checkpoint.Open(folder.Path));
        }

        File.WriteAllBytes(folder["pytorch_model.bin"], Legacy(11));
        Assert.Throws<InvalidInputException>(() => Checkpoint.Open(folder.Path));
    }

    [Theory]
    [InlineData("HalfStorage", DType.F16)]
    [InlineData("BFloat16Storage", DType.BF16)]
    [InlineData("ShortStorage", DType.I16)]
    public void Open_StorageType_GivesTheDType(string type, DType dtype)
    {
        var pickle = new PickleBuilder().Op('}').Text("x").Tensor(type, "0", 6, 0, [2, 3], [3, 1]).Op('s').Op('.').ToArray();
        using var folder = Files.Temporary();
        File.WriteAllBytes(folder["x.bin"], ZipBuilder.Archive(false, ("x/data.pkl", pickle), ("x/data/0", Enumerable.Range(0, 12).Select(i => (byte)i).ToArray())));
        using var file = Checkpoint.Open(folder["x.bin"]);
        Assert.Equal(dtype, file.Info("x").DType);
        Assert.Equal(Enumerable.Range(0, 12).Select(i => (byte)i), file.ReadBytes("x"));
    }

    [Theory]
    [InlineData(13, 0, 3, 4, 4, 1, "13 elements")]
    [InlineData(12, 1, 3, 4, 4, 1, "does not fit")]
    [InlineData(12, -1, 3, 4, 4, 1, "does not fit")]
    [InlineData(12, long.MaxValue, 3, 4, 4, 1, "does not fit")]
    [InlineData(12, 0, 3, 4, 5, 1, "does not fit")]
    [InlineData(12, 0, 3, 4, -4, 1, "does not fit")]
    [InlineData(12, 0, 3, 4, long.MaxValue, 1, "does not fit")]
    [InlineData(12, 0, 1_000_000, 1_000_000, 0, 0, "does not fit")]
    [InlineData(12, 0, -3, 4, 4, 1, "impossible shape")]
    [InlineData(12, 0, long.MaxValue, 4, 4, 1, "impossible shape")]
    public void Open_ViewOutsideItsStorage_IsRefused(long count, long offset, long rows, long columns, long rowStride, long columnStride, string reason)
    {
        var pickle = new PickleBuilder().Op('}').Text("x").Tensor("FloatStorage", "0", count, offset, [rows, columns], [rowStride, columnStride]).Op('s').Op('.');
        AssertRefused(ZipBuilder.Archive(false, ("x/data.pkl", pickle.ToArray()), ("x/data/0", Counting(12))), reason);
    }

    [Fact]
    public void Open_OtherArchives_AreRefusedWithAReason()
    {
        var pickle = new PickleBuilder().Op('}').Op('.').ToArray();
        AssertRefused(ZipBuilder.Archive(false, ("x/readme.txt", [1])), "not of torch.save");
        AssertRefused(ZipBuilder.Archive(false, ("x/data.pkl", pickle), ("x/constants.pkl", pickle)), "TorchScript");
        AssertRefused(ZipBuilder.Archive(false, ("x/data.pkl", pickle), ("x/byteorder", "big"u8.ToArray())), "big-endian");
        AssertRefused(ZipBuilder.Archive(false, ("x/data.pkl", pickle), ("x/data.pkl", pickle)), "twice");
        AssertRefused(ZipBuilder.Archive(false, ("x/data.pkl", pickle))[..^1], "truncated");
        AssertRefused(ZipBuilder.Archive(false, ("x/data.pkl", Views())), "storage '0' is missing");
        AssertRefused(ZipBuilder.Archive(false, ("x/data.pkl", new PickleBuilder().Global("posix", "system").Text("true").Op(0x85).Op('R').Op('.').ToArray())), "'posix.system'");

        var compressed = new MemoryStream();
        using (var zip = new ZipArchive(compressed, ZipArchiveMode.Create, leaveOpen: true))
        {
            using var entry = zip.CreateEntry("x/data.pkl", CompressionLevel.Optimal).Open();
            entry.Write(Views());
        }

        AssertRefused(compressed.ToArray(), "compressed");
    }

    private static void AssertViews(Checkpoint file)
    {
        Assert.Equal([0f, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11], Floats(file.ReadBytes("whole")));
        Assert.Equal([0f, 4, 8, 1, 5, 9, 2, 6, 10, 3, 7, 11], Floats(file.ReadBytes("transposed")));
        Assert.Equal([5f, 6, 9, 10], Floats(file.ReadBytes("inner")));
        Assert.Equal([2f, 2, 2, 2], Floats(file.ReadBytes("nested.expanded")));
        Assert.Equal([4L, 3L], file.Info("transposed").Shape);
        Assert.Equal("7", file.Metadata["nested.step"]);
    }

    private static byte[] Views() => State(new PickleBuilder()).Op('.').ToArray();

    private static PickleBuilder State(PickleBuilder pickle) => pickle.Global("collections", "OrderedDict").Op(')').Op('R').Op('(')
        .Text("whole").Tensor("FloatStorage", "0", 12, 0, [3, 4], [4, 1])
        .Text("transposed").Tensor("FloatStorage", "0", 12, 0, [4, 3], [1, 4])
        .Text("inner").Tensor("FloatStorage", "0", 12, 5, [2, 2], [4, 1])
        .Text("nested").Op('}').Op('(').Text("expanded").Tensor("FloatStorage", "0", 12, 2, [4], [0]).Text("step").Int(7).Op('u')
        .Op('u').Op('}').Text("_metadata").Op('N').Op('s').Op('b');

    internal static byte[] Legacy(long count)
    {
        var bytes = new MemoryStream();
        bytes.Write(new PickleBuilder().Op(0x8a, 10, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19).Op('.').ToArray());
        bytes.Write(new PickleBuilder().Int(1001).Op('.').ToArray());
        bytes.Write(new PickleBuilder().Op('}').Text("little_endian").Op(0x88).Op('s').Op('.').ToArray());
        bytes.Write(Views());
        bytes.Write(new PickleBuilder().Op(']').Text("0").Op('a').Op('.').ToArray());
        var length = new byte[8];
        BinaryPrimitives.WriteInt64LittleEndian(length, count);
        bytes.Write(length);
        bytes.Write(Counting(12));
        return bytes.ToArray();
    }

    private static byte[] Counting(int count) => MemoryMarshal.AsBytes(Enumerable.Range(0, count).Select(i => (float)i).ToArray().AsSpan()).ToArray();

    private static float[] Floats(byte[] bytes) => MemoryMarshal.Cast<byte, float>(bytes).ToArray();

    private static void AssertRefused(byte[] bytes, string reason)
    {
        using var folder = Files.Temporary();
        File.WriteAllBytes(folder["pytorch_model.bin"], bytes);
        var error = Assert.Throws<InvalidInputException>(() => Checkpoint.Open(folder.Path));
        Assert.Contains(reason, error.Message, StringComparison.Ordinal);
        Assert.Contains(folder.Path, error.Message, StringComparison.Ordinal);
    }
}
