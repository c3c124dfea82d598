using Generated;
using Generated.Architectures;
using Generated.Checkpoints;
using Generated.Configuration;
using Generated.Loading;
using Runtime.Tests.Checkpoints;
using TorchSharp;

namespace Runtime.Tests.Loading;

public sealed class CheckpointSaverTests
{
    public CheckpointSaverTests() => ArchitectureRegistry.Register(HandLlama.Architecture);

    [Fact]
    public void Save_OfALoadedModel_IsTheSameCheckpoint()
    {
        using var folder = Files.Temporary();
        var target = Path.Combine(folder.Path, "copy");
        using (var loaded = Models.Fixture("llama"))
            CheckpointSaver.Save(loaded.Model, loaded.Architecture, target, new SaveOptions { MaxShardBytes = 200_000 }, loaded.Directory);
        using var original = Checkpoint.Open(Files.Fixture("llama"));
        using var copy = Checkpoint.Open(target);
        Assert.True(copy.Files.Count() > 2);
        Files.AssertSame(original, copy);
        // Every key of the source stays, spelled as it was; the architecture's own come after.
        Assert.StartsWith(File.ReadAllText(Files.Fixture("llama", "config.json")).TrimEnd('\n', '}'), File.ReadAllText(Path.Combine(target, "config.json")));
    }

    [Theory]
    [InlineData(CheckpointFormat.Safetensors)]
    [InlineData(CheckpointFormat.PaddlePickle)]
    public void Convert_ToPaddleAndBack_IsByteIdentical(CheckpointFormat format)
    {
        using var folder = Files.Temporary();
        var (there, back) = (Path.Combine(folder.Path, "paddle"), Path.Combine(folder.Path, "hf"));
        CheckpointSaver.Convert(Files.Fixture("llama"), there, new SaveOptions { Layout = CheckpointLayout.Paddle, Format = format });
        using (var recorded = Checkpoint.Open(Files.Fixture("llama.paddle", "model_state.pdparams")))
        using (var written = Checkpoint.Open(there))
        {
            Assert.Equal(CheckpointLayout.Paddle, written.Layout);
            Files.AssertSame(recorded, written);
        }

        CheckpointSaver.Convert(there, back);
        using var original = Checkpoint.Open(Files.Fixture("llama"));
        using var copy = Checkpoint.Open(back);
        Files.AssertSame(original, copy);
    }

    [Fact]
    public void Convert_ToAnotherType_ChangesTensorsAndConfig()
    {
        using var folder = Files.Temporary();
        var target = Path.Combine(folder.Path, "bf16");
        CheckpointSaver.Convert(Files.Fixture("llama"), target, new SaveOptions { Dtype = torch.ScalarType.BFloat16 });
        using var recorded = Checkpoint.Open(Files.Fixture("llama-bf16-sharded"));
        using var written = Checkpoint.Open(target);
        Files.AssertSame(recorded, written);
        Assert.Equal("bfloat16", ConfigReader.Load(target).String("torch_dtype"));
    }

    [Fact]
    public void Convert_OntoAFolderThatExists_IsRefused_AndLeavesIt()
    {
        using var folder = Files.Temporary();
        File.WriteAllText(Path.Combine(folder.Path, "keep.txt"), "x");
        Assert.Throws<InvalidInputException>(() => CheckpointSaver.Convert(Files.Fixture("llama"), folder.Path));
        Assert.Equal(["keep.txt"], Directory.GetFileSystemEntries(folder.Path).Select(Path.GetFileName));
    }

    [Fact]
    public void Convert_Cancelled_LeavesNothing()
    {
        using var folder = Files.Temporary();
        using var cancelled = new CancellationTokenSource();
        var options = new SaveOptions { Progress = new Stop(cancelled) };
        Assert.Throws<OperationCanceledException>(() => CheckpointSaver.Convert(Files.Fixture("llama"), Path.Combine(folder.Path, "x"), options, cancelled.Token));
        Assert.Empty(Directory.GetFileSystemEntries(folder.Path));
    }

    private sealed class Stop(CancellationTokenSource source) : IProgress<double>
    {
        public void Report(double value) => source.Cancel();
    }
}
