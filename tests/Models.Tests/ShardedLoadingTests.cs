using Generated.Checkpoints;
using Generated.Loading;
using Generated.Parallel;
using Generated.Verification;
using TorchSharp;

namespace Models.Tests;

/// <summary>Two ranks, each with its part of the checkpoint, give the recorded numbers: logits, hidden states, greedy tokens, loss, gradients.</summary>
public sealed class ShardedLoadingTests
{
    static ShardedLoadingTests() => System.Runtime.CompilerServices.RuntimeHelpers.RunModuleConstructor(typeof(Generated.Models.Llama).Module.ModuleHandle);

    [Theory]
    [InlineData("llama", 2)]
    [InlineData("llama", 4)]
    [InlineData("llama2-gqa", 2)]
    [InlineData("llama2-gqa", 4)]
    [InlineData("chatglm", 2)]
    [InlineData("chatglm2", 2)]
    [InlineData("bloom", 2)]
    [InlineData("gpt", 4)]
    [InlineData("opt", 2)]
    [InlineData("glm", 2)]
    [InlineData("qwen", 4)]
    [InlineData("qwen2", 2)]
    [InlineData("baichuan-13b", 2)]
    [InlineData("baichuan2-7b", 4)]
    public void Ranks_GiveTheRecordedOutputs(string name, int ranks)
    {
        var folder = Fixtures.Folder(name);
        var wrong = ThreadCollective.Run(ranks, group =>
        {
            using var loaded = ModelLoader.Load(folder, new LoadOptions { Dtype = torch.ScalarType.Float32, TensorParallel = group });
            using var golden = Checkpoint.Open(Path.Combine(folder, "golden.safetensors"));
            Assert.True(loaded.Model.Parameters().Sum(p => p.Value.numel()) < 0.8 * loaded.Model.ParameterCount);
            return new Verifier(loaded, golden).Run().Where(r => !r.IsOk).Select(r => $"rank {group.Rank}, {r.Name}: {r.MaxAbsolute:g3} {r.Note}").ToList();
        }).SelectMany(list => list).ToList();
        Assert.True(wrong.Count == 0, string.Join("\n", wrong));
    }
}
