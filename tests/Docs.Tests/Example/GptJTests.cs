using Generated.Architectures;
using Generated.Checkpoints;
using Generated.Layers;
using Generated.Loading;
using Generated.Parallel;
using Generated.Passes;
using TorchSharp;
using static TorchSharp.torch;

namespace Docs.Tests.Example;

/// <summary>The worked example of docs/authoring.md does what the page says.</summary>
public sealed class GptJTests : IDisposable
{
    private static readonly int[] Prompt = [5, 9, 2, 17, 60, 33];
    private readonly string _folder = Directory.CreateTempSubdirectory("generated-docs-").FullName;

    public GptJTests()
    {
        FirstRun.Save(Checkpoint("random"));
        // Weights that are large enough to tell wrong wirings apart.
        using var loaded = ModelLoader.Load(Checkpoint("random"));
        using var noGrad = no_grad();
        using var generator = new torch.Generator(4);
        foreach (var parameter in loaded.Model.Parameters())
        {
            using var noise = randn(parameter.Value.shape, generator: generator).mul_(0.25);
            parameter.Value.add_(noise);
        }

        CheckpointSaver.Save(loaded.Model, loaded.Architecture, Checkpoint("tiny"));
    }

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void FirstRun_FindsEveryPassRight()
    {
        using var output = new StringWriter();
        var ids = FirstRun.Run(Checkpoint("tiny"), output);
        Assert.Equal(8, ids.Count);
        Assert.Equal(
            ["full is what is declared", "prefill is what is declared", "decode is what is declared",
                "GptJ.FinalNorm scales GptJ.Head", "GptJBlock.Norm scales GptJBlock.Q, GptJBlock.K, GptJBlock.V, GptJBlock.Up"],
            output.ToString().Split(Environment.NewLine, StringSplitOptions.RemoveEmptyEntries));
    }

    [Fact]
    public void Checkpoint_GivesWhatTheDescriptionGives()
    {
        using var file = Generated.Checkpoints.Checkpoint.Open(Checkpoint("tiny"));
        var expected = new PlainGptJ(file, layers: 2, heads: 4, rotaryDim: 4, epsilon: 1e-5).Logits(Prompt);
        Assert.Equal(expected[0].Length * expected.Length, Logits(null).Length);
        Assert.All(expected.SelectMany(row => row).Zip(Logits(null)), pair => Assert.Equal(pair.First, pair.Second, 1e-4));
    }

    [Fact]
    public void TwoRanks_GiveWhatOneGives()
    {
        var whole = Logits(null);
        Assert.All(ThreadCollective.Run(2, Logits), part => Assert.All(whole.Zip(part), pair => Assert.Equal(pair.First, pair.Second, 1e-4)));
    }

    [Fact]
    public void Config_FindsTheArchitecture_AndKeepsItsKeys()
    {
        using var loaded = ModelLoader.Load(Checkpoint("tiny"));
        Assert.Equal("gptj", loaded.Architecture.ModelType);
        Assert.Equal(4, ((GptJConfig)loaded.Model.Config).RotaryDim);
        Assert.Equal(64, loaded.ContextLength);
        Assert.Contains("\"n_embd\": 32", File.ReadAllText(Path.Combine(Checkpoint("tiny"), "config.json")));
    }

    /// <summary>EleutherAI/gpt-j-6b has 6,050,882,784 parameters.</summary>
    [Fact]
    public void Preset_HasThePublishedSize()
    {
        var (architecture, preset) = ArchitectureRegistry.FindPreset("gpt-j-6b");
        Assert.Equal(6_050_882_784, architecture.TensorsOf(preset.Config()).Sum(t => t.Shape.Aggregate(1L, (a, b) => a * b)));
    }

    private string Checkpoint(string name) => Path.Combine(_folder, name);

    private float[] Logits(ICollective? group)
    {
        using var noGrad = no_grad();
        using var loaded = ModelLoader.Load(Checkpoint("tiny"), new LoadOptions { TensorParallel = group });
        var batch = new TokenBatch(1, Prompt.Length, [.. Prompt.Select(id => (long)id)]);
        using var ids = batch.ToTensor(loaded.Model.Device);
        using var pass = new PassContext(loaded.Model.Inputs.Prompt(batch));
        using var logits = loaded.Model.Full(ids, pass);
        return logits.data<float>().ToArray();
    }
}
