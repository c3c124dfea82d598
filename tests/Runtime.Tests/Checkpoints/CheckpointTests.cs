using Generated;
using Generated.Checkpoints;
using Generated.Checkpoints.Writing;

namespace Runtime.Tests.Checkpoints;

public sealed class CheckpointTests
{
    [Theory]
    [InlineData("llama", CheckpointFormat.Safetensors, CheckpointLayout.HuggingFace, 30)]
    [InlineData("llama-fp16", CheckpointFormat.Safetensors, CheckpointLayout.HuggingFace, 30)]
    [InlineData("llama-bf16-sharded", CheckpointFormat.Safetensors, CheckpointLayout.HuggingFace, 30)]
    [InlineData("llama2-gqa", CheckpointFormat.Safetensors, CheckpointLayout.HuggingFace, 30)]
    [InlineData("llama.paddle", CheckpointFormat.PaddlePickle, CheckpointLayout.Paddle, 30)]
    public void Open_Folder_FindsFormatLayoutAndTensors(string fixture, CheckpointFormat format, CheckpointLayout layout, int tensors)
    {
        using var checkpoint = Checkpoint.Open(Files.Fixture(fixture));
        Assert.Equal(format, checkpoint.Format);
        Assert.Equal(layout, checkpoint.Layout);
        Assert.Equal(tensors, checkpoint.Tensors.Count);
        Assert.NotEmpty(checkpoint.LayoutEvidence);
        Assert.False(checkpoint.IsTensorParallel);
        Assert.Same(checkpoint, Assert.Single(checkpoint.Ranks));
    }

    [Theory]
    [InlineData("""{"paddlenlp_version":"2.7.0"}""", CheckpointLayout.Paddle)]
    [InlineData("""{"transformers_version":"4.28.0"}""", CheckpointLayout.HuggingFace)]
    [InlineData("""{"paddlenlp_version":null}""", CheckpointLayout.HuggingFace)]
    [InlineData("not json", CheckpointLayout.HuggingFace)]
    public void Open_SafetensorsWithoutMetadata_LooksAtConfig(string config, CheckpointLayout layout)
    {
        using var folder = Files.Temporary();
        using var source = new MemorySource().Add("a", DType.F32, 2, 3);
        CheckpointWriter.Write(source, folder.Path, new CheckpointWriteOptions { Metadata = new Dictionary<string, string>() });
        File.WriteAllText(folder["config.json"], config);
        using var checkpoint = Checkpoint.Open(folder.Path);
        Assert.Equal(layout, checkpoint.Layout);
    }

    [Fact]
    public void Write_Sharded_ReadsBackAndCutsAsPlanned()
    {
        using var folder = Files.Temporary();
        using var source = new MemorySource().Add("a", DType.F32, 10).Add("b", DType.F16, 30).Add("c", DType.F32, 100).Add("d", DType.I8, 1);
        CheckpointWriter.Write(source, folder.Path, new CheckpointWriteOptions { MaxShardBytes = 100 });
        Assert.Equal(
            ["model-00001-of-00003.safetensors", "model-00002-of-00003.safetensors", "model-00003-of-00003.safetensors", "model.safetensors.index.json"],
            Directory.GetFiles(folder.Path).Select(Path.GetFileName).Order(StringComparer.Ordinal));
        using var written = Checkpoint.Open(folder.Path);
        Files.AssertSame(source, written);
        Assert.Equal(3, written.Files.Count());
    }

    [Fact]
    public void Write_IndexOfARecordedCheckpoint_GivesItsBytes()
    {
        // The recorded index was written by transformers.
        using var folder = Files.Temporary();
        using var recorded = Checkpoint.Open(Files.Fixture("llama-bf16-sharded"));
        CheckpointWriter.Write(recorded, folder.Path, new CheckpointWriteOptions { MaxShardBytes = 190_000, Metadata = recorded.Metadata });
        var written = File.ReadAllText(folder["model.safetensors.index.json"]);
        var expected = File.ReadAllText(Files.Fixture("llama-bf16-sharded", "model.safetensors.index.json"));
        Assert.Equal(expected.TrimEnd(), written.TrimEnd());
        using var copy = Checkpoint.Open(folder.Path);
        Files.AssertSame(recorded, copy);
    }

    [Theory]
    [InlineData("model-00002-of-00002.safetensors", "../other/model.safetensors", "not the name of a file")]
    [InlineData("model-00002-of-00002.safetensors", "/etc/passwd", "not the name of a file")]
    [InlineData("model-00002-of-00002.safetensors", "..", "not the name of a file")]
    [InlineData("model-00002-of-00002.safetensors", "C:\\\\x", "not the name of a file")]
    [InlineData("model-00002-of-00002.safetensors", "sub/x", "not the name of a file")]
    [InlineData("model-00002-of-00002.safetensors", "", "not the name of a file")]
    [InlineData("model-00002-of-00002.safetensors", "model-00003-of-00003.safetensors", "model-00003-of-00003.safetensors")]
    [InlineData("model.norm.weight", "model.norm.bias", "model.norm.bias in model-00002-of-00002.safetensors")]
    [InlineData("weight_map", "weights", "no 'weight_map'")]
    [InlineData("\"lm_head.weight\"", "\"model.norm.weight\"", "twice")]
    [InlineData("}", "", "not a valid index")]
    public void Open_ChangedIndex_IsRefusedWithAReason(string from, string to, string reason)
    {
        using var folder = Sharded();
        var index = folder["model.safetensors.index.json"];
        File.WriteAllText(index, File.ReadAllText(index).Replace(from, to, StringComparison.Ordinal));
        var error = Assert.Throws<InvalidInputException>(() => Checkpoint.Open(folder.Path));
        Assert.Contains(reason, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Open_MissingShard_IsNamed()
    {
        using var folder = Sharded();
        File.Delete(folder["model-00002-of-00002.safetensors"]);
        var error = Assert.Throws<InvalidInputException>(() => Checkpoint.Open(folder.Path));
        Assert.Contains("model-00002-of-00002.safetensors", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Open_TruncatedShard_IsNamed()
    {
        using var folder = Sharded();
        using (var shard = File.OpenWrite(folder["model-00002-of-00002.safetensors"]))
            shard.SetLength(shard.Length - 100);
        var error = Assert.Throws<InvalidInputException>(() => Checkpoint.Open(folder.Path));
        Assert.Contains("model-00002-of-00002.safetensors is truncated", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Open_ShardsWithoutIndex_NamesTheIndex()
    {
        using var folder = Sharded();
        File.Delete(folder["model.safetensors.index.json"]);
        var error = Assert.Throws<InvalidInputException>(() => Checkpoint.Open(folder.Path));
        Assert.Contains("model.safetensors.index.json", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Open_FolderWithoutCheckpoint_SaysWhatWasLookedFor()
    {
        using var folder = Files.Temporary();
        var error = Assert.Throws<InvalidInputException>(() => Checkpoint.Open(folder.Path));
        Assert.Contains("pytorch_model.bin", error.Message, StringComparison.Ordinal);
        Assert.Throws<InvalidInputException>(() => Checkpoint.Open(folder["absent"]));
    }

    [Fact]
    public void Read_UnknownTensor_IsNamed()
    {
        using var checkpoint = Checkpoint.Open(Files.Fixture("llama"));
        Assert.Contains("'nope'", Assert.Throws<InvalidInputException>(() => checkpoint.ReadBytes("nope")).Message, StringComparison.Ordinal);
    }

    private static TemporaryFolder Sharded()
    {
        var folder = Files.Temporary();
        foreach (var file in Directory.GetFiles(Files.Fixture("llama-bf16-sharded")))
        {
            if (!file.EndsWith("golden.safetensors", StringComparison.Ordinal))
                File.Copy(file, folder[Path.GetFileName(file)]);
        }

        return folder;
    }
}
