using Generated.Checkpoints;
using Generated.Loading;
using Generated.Verification;
using TorchSharp;

namespace Models.Tests;

/// <summary>Every family against the numbers that its original implementation gave: logits, hidden states, greedy tokens, loss, gradients.</summary>
public sealed class RecordedOutputTests
{
    static RecordedOutputTests() => System.Runtime.CompilerServices.RuntimeHelpers.RunModuleConstructor(typeof(Generated.Models.Llama).Module.ModuleHandle);

    [Theory]
    [InlineData("llama")]
    [InlineData("llama2-gqa")]
    [InlineData("llama-bf16-sharded")]
    [InlineData("llama-fp16")]
    [InlineData("chatglm")]
    [InlineData("chatglm-untied")]
    [InlineData("chatglm2")]
    [InlineData("bloom")]
    [InlineData("bloom-unprefixed")]
    [InlineData("gpt")]
    [InlineData("gpt-unprefixed")]
    [InlineData("opt")]
    [InlineData("opt-postln", 3e-4)]
    [InlineData("glm")]
    [InlineData("qwen")]
    [InlineData("qwen-ntk")]
    [InlineData("qwen2")]
    [InlineData("baichuan-7b")]
    [InlineData("baichuan-13b")]
    [InlineData("baichuan2-7b")]
    public void Checkpoint_GivesTheRecordedOutputs(string name, double absolute = 1e-4) =>
        Verify(Fixtures.Folder(name), Path.Combine(Fixtures.Folder(name), "golden.safetensors"), absolute);

    [Fact]
    public void TorchSaveArchive_GivesTheRecordedOutputs() =>
        Verify(Fixtures.Folder("llama-bin"), Path.Combine(Fixtures.Folder("llama"), "golden.safetensors"), 1e-4);

    private static void Verify(string folder, string golden, double absolute)
    {
        using var loaded = ModelLoader.Load(folder, new LoadOptions { Dtype = torch.ScalarType.Float32, Trainable = true });
        using var recorded = Checkpoint.Open(golden);
        var results = new Verifier(loaded, recorded, absolute).Run().ToList();
        var wrong = results.Where(r => !r.IsOk).Select(r => $"{r.Name}: {r.MaxAbsolute:g3} {r.Note}").ToList();
        Assert.True(wrong.Count == 0, string.Join("\n", wrong));
        Assert.Contains(results, r => r.Name == "logits");
        Assert.Equal(recorded.Tensors.Keys.Count(n => n.StartsWith("grad.", StringComparison.Ordinal)), results.Count(r => r.Name.StartsWith("grad.", StringComparison.Ordinal)));
        Assert.Equal(recorded.Tensors.ContainsKey("loss"), results.Any(r => r.Name == "loss"));
        Assert.Equal(recorded.Tensors.ContainsKey("greedy_tokens"), results.Any(r => r.Name == "greedy_tokens"));
    }
}
