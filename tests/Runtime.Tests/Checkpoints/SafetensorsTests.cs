using System.Buffers.Binary;
using System.Text;
using Generated;
using Generated.Checkpoints;
using Generated.Checkpoints.Safetensors;
using Generated.Checkpoints.Writing;

namespace Runtime.Tests.Checkpoints;

public sealed class SafetensorsTests
{
    [Fact]
    public void Open_RecordedFile_ListsNamesShapesAndMetadata()
    {
        using var file = SafetensorsFile.Open(Files.Fixture("llama", "model.safetensors"));
        Assert.Equal(30, file.Tensors.Count);
        var embedding = file.Tensors["model.embed_tokens.weight"];
        Assert.Equal(DType.F32, embedding.DType);
        Assert.Equal([320L, 64L], embedding.Shape);
        Assert.Equal("pt", file.Metadata["format"]);
    }

    [Theory]
    [InlineData("llama/model.safetensors")]
    [InlineData("llama-fp16/model.safetensors")]
    [InlineData("llama-bf16-sharded/model-00001-of-00002.safetensors")]
    [InlineData("llama/golden.safetensors")]
    [InlineData("paddle-encodings/expected.safetensors")]
    [InlineData("paddle-encodings/bf16_as_u16.safetensors")]
    public void Write_ContentsOfARecordedFile_GivesItsBytes(string fixture)
    {
        // The recorded files were written by the reference implementation.
        using var folder = Files.Temporary();
        using var file = SafetensorsFile.Open(Files.Fixture(fixture));
        CheckpointWriter.Write(file, folder.Path, new CheckpointWriteOptions { Metadata = file.Metadata });
        Assert.Equal(File.ReadAllBytes(Files.Fixture(fixture)), File.ReadAllBytes(folder["model.safetensors"]));
        Assert.Single(Directory.GetFiles(folder.Path));
    }

    [Fact]
    public void Write_EveryDTypeAndOddNames_ReadsBack()
    {
        using var folder = Files.Temporary();
        using var source = new MemorySource();
        foreach (var dtype in Enum.GetValues<DType>())
            source.Add($"t.{dtype}", dtype, 3, 5);
        source.Add("scalar", DType.F32).Add("empty", DType.I64, 4, 0, 2).Add("权重 \"q\"\\\n😀", DType.U8, 7);
        CheckpointWriter.Write(source, folder.Path);
        using var written = SafetensorsFile.Open(folder["model.safetensors"]);
        Files.AssertSame(source, written);
    }

    [Fact]
    public void Write_NotCompleted_LeavesTheFolderAsItWas()
    {
        using var folder = Files.Temporary();
        File.WriteAllText(folder["model.safetensors"], "before");
        using (var writer = CheckpointWriter.Create(folder.Path, [new TensorInfo("a", DType.F32, 4)]))
        {
            writer.Append("a", new byte[8]);
            Assert.Throws<InvalidOperationException>(writer.Complete);
        }

        Assert.Equal("before", File.ReadAllText(folder["model.safetensors"]));
        Assert.Single(Directory.GetFiles(folder.Path));
    }

    [Fact]
    public void Append_MoreThanTheTensorHolds_IsRefused()
    {
        using var folder = Files.Temporary();
        using var writer = CheckpointWriter.Create(folder.Path, [new TensorInfo("a", DType.F32, 4)]);
        writer.Append("a", new byte[12]);
        Assert.Throws<ArgumentException>(() => writer.Append("a", new byte[5]));
        Assert.Throws<ArgumentException>(() => writer.Append("b", new byte[1]));
    }

    [Fact]
    public void Create_SameNameTwice_IsRefused()
    {
        using var folder = Files.Temporary();
        TensorInfo[] tensors = [new("a", DType.F32, 4), new("a", DType.F32, 4)];
        Assert.Throws<InvalidInputException>(() => CheckpointWriter.Create(folder.Path, tensors));
        Assert.Throws<InvalidInputException>(() => CheckpointWriter.Create(folder.Path, tensors, new CheckpointWriteOptions { MaxShardBytes = 16 }));
        Assert.Empty(Directory.GetFiles(folder.Path));
    }

    [Theory]
    [InlineData("""{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}""", 8, null)]
    [InlineData("""{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}  """, 8, null)]
    [InlineData("""{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8],"note":{"x":[1]}}}""", 8, null)]
    [InlineData("""{"a":{"dtype":"F32","shape":[],"data_offsets":[0,4]}}""", 4, null)]
    [InlineData("""{}""", 0, null)]
    [InlineData("""{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}""", 7, "truncated")]
    [InlineData("""{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}""", 9, "cover 8 bytes")]
    [InlineData("""{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"a":{"dtype":"F32","shape":[2],"data_offsets":[8,16]}}""", 16, "twice")]
    [InlineData("""{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}}""", 12, "overlap")]
    [InlineData("""{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[2],"data_offsets":[12,20]}}""", 20, "gap")]
    [InlineData("""{"a":{"dtype":"F32","shape":[2],"data_offsets":[8,0]}}""", 8, "overlap")]
    [InlineData("""{"a":{"dtype":"F32","shape":[3],"data_offsets":[0,8]}}""", 8, "needs 12")]
    [InlineData("""{"a":{"dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,8]}}""", 8, "impossible shape")]
    [InlineData("""{"a":{"dtype":"F32","shape":[-2],"data_offsets":[0,8]}}""", 8, "whole number")]
    [InlineData("""{"a":{"dtype":"F32","shape":[2.5],"data_offsets":[0,8]}}""", 8, "whole number")]
    [InlineData("""{"a":{"dtype":"F32","shape":["2"],"data_offsets":[0,8]}}""", 8, "whole number")]
    [InlineData("""{"a":{"dtype":"F32","shape":2,"data_offsets":[0,8]}}""", 8, "not a list")]
    [InlineData("""{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,9223372036854775808]}}""", 8, "whole number")]
    [InlineData("""{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8,8]}}""", 8, "two data_offsets")]
    [InlineData("""{"a":{"dtype":"F32","shape":[2]}}""", 8, "two data_offsets")]
    [InlineData("""{"a":{"dtype":"F32","dtype":"F32","shape":[2],"data_offsets":[0,8]}}""", 8, "twice")]
    [InlineData("""{"a":{"dtype":"Q5_K","shape":[2],"data_offsets":[0,8]}}""", 8, "not supported")]
    [InlineData("""{"a":{"dtype":7,"shape":[2],"data_offsets":[0,8]}}""", 8, "damaged")]
    [InlineData("""{"a":3}""", 0, "not an object")]
    [InlineData("""{"__metadata__":{"format":3}}""", 0, "damaged")]
    [InlineData("""{"__metadata__":{"a":"b","a":"c"}}""", 0, "twice")]
    [InlineData("""{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}} x""", 8, "damaged")]
    [InlineData("""{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]""", 8, "damaged")]
    [InlineData("""{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8],"x":[[[[[[[[[[1]]]]]]]]]]}}""", 8, "damaged")]
    [InlineData("""["a"]""", 0, "not a JSON object")]
    [InlineData("", 0, "not a JSON object")]
    public void Open_Header_IsAcceptedOrRefusedWithAReason(string json, int dataBytes, string? reason)
    {
        using var folder = Files.Temporary();
        File.WriteAllBytes(folder["x.safetensors"], FileOf(json, dataBytes));
        AssertOpens(folder["x.safetensors"], reason);
    }

    [Theory]
    [InlineData(0UL, "no safetensors file")]
    [InlineData(100_000_001UL, "100000001 bytes")]
    [InlineData(ulong.MaxValue, "no safetensors file")]
    [InlineData(60UL, "truncated")]
    public void Open_WrongHeaderLength_IsRefused(ulong length, string reason)
    {
        using var folder = Files.Temporary();
        var bytes = FileOf("""{"a":{"dtype":"F32","shape":[],"data_offsets":[0,4]}}""", 4);
        BinaryPrimitives.WriteUInt64LittleEndian(bytes, length);
        File.WriteAllBytes(folder["x.safetensors"], bytes);
        AssertOpens(folder["x.safetensors"], reason);
    }

    [Theory]
    [InlineData("")]
    [InlineData("1234567")]
    public void Open_ShorterThanALength_IsRefused(string content)
    {
        using var folder = Files.Temporary();
        File.WriteAllText(folder["x.safetensors"], content);
        Assert.Throws<InvalidInputException>(() => SafetensorsFile.Open(folder["x.safetensors"]));
        Assert.Throws<InvalidInputException>(() => SafetensorsFile.Open(folder["absent.safetensors"]));
        Assert.Throws<InvalidInputException>(() => SafetensorsFile.Open(folder.Path));
    }

    [Fact]
    public void Read_AfterDispose_IsRefused()
    {
        var file = SafetensorsFile.Open(Files.Fixture("llama", "model.safetensors"));
        file.Dispose();
        Assert.Throws<ObjectDisposedException>(() => file.ReadBytes("model.norm.weight"));
    }

    private static byte[] FileOf(string json, int dataBytes)
    {
        var header = Encoding.UTF8.GetBytes(json);
        var bytes = new byte[8 + header.Length + dataBytes];
        BinaryPrimitives.WriteInt64LittleEndian(bytes, header.Length);
        header.CopyTo(bytes, 8);
        return bytes;
    }

    private static void AssertOpens(string path, string? reason)
    {
        if (reason is null)
        {
            using var file = SafetensorsFile.Open(path);
            Assert.NotNull(file.Tensors);
            return;
        }

        var error = Assert.Throws<InvalidInputException>(() => SafetensorsFile.Open(path));
        Assert.Contains(reason, error.Message, StringComparison.Ordinal);
        Assert.Contains(path, error.Message, StringComparison.Ordinal);
    }
}
