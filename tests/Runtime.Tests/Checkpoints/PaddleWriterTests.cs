using Generated;
using Generated.Checkpoints;
using Generated.Checkpoints.Writing;

namespace Runtime.Tests.Checkpoints;

public sealed class PaddleWriterTests
{
    [Theory]
    [InlineData("llama.paddle/model_state.pdparams")]
    [InlineData("paddle-encodings/plain.pdparams")]
    [InlineData("paddle-encodings/bf16_as_uint16.pdparams")]
    public void Write_ContentsOfARecordedFile_GivesItsBytes(string fixture)
    {
        // CPython and numpy wrote the recorded files: every opcode, frame and memo number has to be the same.
        using var folder = Files.Temporary();
        using var file = Checkpoint.Open(Files.Fixture(fixture));
        CheckpointWriter.Write(file, folder.Path, Options(file.ParameterNames));
        Assert.Equal(File.ReadAllBytes(Files.Fixture(fixture)), File.ReadAllBytes(folder["model_state.pdparams"]));
    }

    [Fact]
    public void Write_TiedTensors_ShareOneParameterName()
    {
        using var folder = Files.Temporary();
        using var source = new MemorySource().Add("embed", DType.F32, 2).Add("head", DType.F32, 2);
        var names = new Dictionary<string, string> { ["embed"] = "embedding_0.w_0", ["head"] = "embedding_0.w_0" };
        CheckpointWriter.Write(source, folder.Path, Options(names));
        var text = System.Text.Encoding.Latin1.GetString(File.ReadAllBytes(folder["model_state.pdparams"]));
        Assert.Equal(text.IndexOf("embedding_0.w_0", StringComparison.Ordinal), text.LastIndexOf("embedding_0.w_0", StringComparison.Ordinal));
        using var written = Checkpoint.Open(folder.Path);
        Assert.Equal(names, written.ParameterNames);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(300)]
    [InlineData(2500)]
    public void Write_ManyTensors_ReadsBack(int count)
    {
        using var folder = Files.Temporary();
        using var source = new MemorySource();
        DType[] dtypes = [.. Enum.GetValues<DType>().Except([DType.F8E4M3, DType.F8E5M2, DType.U16])];
        for (var i = 0; i < count; i++)
            source.Add($"层.{i}.weight{new string('x', i % 5 == 4 ? 300 : 1)}", dtypes[i % dtypes.Length], [.. Enumerable.Repeat(2L, i % 6)]);
        CheckpointWriter.Write(source, folder.Path, Options(new Dictionary<string, string>()));
        using var written = Checkpoint.Open(folder["model_state.pdparams"]);
        Files.AssertSame(source, written);
        Assert.Equal(count, written.ParameterNames.Count);
    }

    [Theory]
    [InlineData(65535)]
    [InlineData(65536)]
    [InlineData(70000)]
    public void Write_AroundTheFrameSize_ReadsBack(int bytes)
    {
        using var folder = Files.Temporary();
        using var source = new MemorySource().Add("a", DType.U8, bytes).Add("empty", DType.F32, 0).Add("b", DType.F32, 5).Add("c", DType.U8, 1, bytes);
        CheckpointWriter.Write(source, folder.Path, Options(new Dictionary<string, string>()));
        using var written = Checkpoint.Open(folder.Path);
        Files.AssertSame(source, written);
    }

    [Fact]
    public void Write_Sharded_ReadsBackThroughItsIndex()
    {
        using var folder = Files.Temporary();
        using var source = Checkpoint.Open(Files.Fixture("llama.paddle", "model_state.pdparams"));
        CheckpointWriter.Write(source, folder.Path, Options(source.ParameterNames) with { MaxShardBytes = 200_000 });
        Assert.True(File.Exists(folder["model_state.pdparams.index.json"]));
        Assert.True(File.Exists(folder["model_state-00002-of-00005.pdparams"]));
        using var written = Checkpoint.Open(folder.Path);
        Assert.Equal(CheckpointFormat.PaddlePickle, written.Format);
        Files.AssertSame(source, written);
        Assert.Equal(source.ParameterNames.OrderBy(name => name.Key), written.ParameterNames.OrderBy(name => name.Key));
    }

    [Fact]
    public void Write_DTypeThatNumpyLacks_IsRefused()
    {
        using var folder = Files.Temporary();
        using var source = new MemorySource().Add("a", DType.F8E4M3, 2);
        var error = Assert.Throws<InvalidInputException>(() => CheckpointWriter.Write(source, folder.Path, Options(new Dictionary<string, string>())));
        Assert.Contains("F8_E4M3", error.Message, StringComparison.Ordinal);
        Assert.Empty(Directory.GetFiles(folder.Path));
    }

    private static CheckpointWriteOptions Options(IReadOnlyDictionary<string, string> parameterNames) =>
        new() { Format = CheckpointFormat.PaddlePickle, ParameterNames = parameterNames };
}
