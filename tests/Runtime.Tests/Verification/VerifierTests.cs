using Generated.Architectures;
using Generated.Checkpoints;
using Generated.Loading;
using Generated.Verification;
using Runtime.Tests.Checkpoints;
using Runtime.Tests.Loading;
using Runtime.Tests.Tokenization;
using TorchSharp;

namespace Runtime.Tests.Verification;

/// <summary>Checkpoints against the numbers that the original implementations gave for them.</summary>
public sealed class VerifierTests
{
    public VerifierTests() => ArchitectureRegistry.Register(HandLlama.Architecture);

    private static List<Comparison> Verify(string folder, string golden)
    {
        using var loaded = ModelLoader.Load(folder, new LoadOptions { Dtype = torch.ScalarType.Float32 });
        using var file = Checkpoint.Open(golden);
        return [.. new Verifier(loaded, file).Run()];
    }

    private static void AssertAllOk(List<Comparison> results) =>
        Assert.True(results.All(r => r.IsOk), string.Join('\n', results.Where(r => !r.IsOk)));

    [Theory]
    [InlineData("llama", "llama")]
    [InlineData("llama2-gqa", "llama2-gqa")]
    [InlineData("llama-bf16-sharded", "llama-bf16-sharded")]
    [InlineData("llama-fp16", "llama-fp16")]
    [InlineData("llama-bin", "llama")]
    [InlineData("llama.paddle", "llama")]
    public void RecordedCheckpoint_GivesTheRecordedValues(string folder, string golden)
    {
        var path = Files.Fixture(golden, "golden.safetensors");
        var results = Verify(Files.Fixture(folder), path);
        AssertAllOk(results);
        using var file = Checkpoint.Open(path);
        Assert.Equal(
            file.Tensors.Keys.Where(n => n is "logits" or "loss" || n.StartsWith("hidden.") || n.StartsWith("grad.") || n.StartsWith("greedy_")).Order(),
            results.Select(r => r.Name).Order());
    }

    [SkippableFact]
    public void PretrainedModel_GivesTheRecordedValues()
    {
        var folder = TokenizerData.SharedPath("data", "stories260K");
        Skip.IfNot(Directory.Exists(folder), "shared/data/stories260K is not there");
        AssertAllOk(Verify(Path.Combine(folder!, "hf"), Path.Combine(folder!, "verify.safetensors")));
    }

    [Fact]
    public void OtherWeights_AreNotOk()
    {
        var results = Verify(Files.Fixture("llama"), Files.Fixture("llama-fp16", "golden.safetensors"));
        Assert.Contains(results, r => !r.IsOk && r.Name == "logits");
    }

    [Fact]
    public void TokensOfALargerVocabulary_AreRefused()
    {
        using var loaded = ModelLoader.Load(Files.Fixture("llama"));
        using var file = Checkpoint.Open(Files.Fixture("opt", "golden.safetensors"));
        var refusal = Assert.Throws<InvalidInputException>(() => new Verifier(loaded, file));
        Assert.Contains("the model's vocabulary has 320", refusal.Message, StringComparison.Ordinal);
        Assert.Contains("opt", refusal.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(torch.ScalarType.BFloat16, 0.3)]
    [InlineData(torch.ScalarType.Float16, 0.05)]
    public void HalfPrecision_RecordedTokens_AreNearTheBest_AndOtherTokensAreNot(torch.ScalarType dtype, double tolerance)
    {
        using var loaded = ModelLoader.Load(Files.Fixture("llama"), new LoadOptions { Dtype = dtype });
        using var file = Checkpoint.Open(Files.Fixture("llama", "golden.safetensors"));
        var tokens = new Verifier(loaded, file, tolerance, 0).Run().Where(r => r.Name.StartsWith("greedy_")).ToArray();
        Assert.Equal(2, tokens.Length);
        Assert.All(tokens, r => Assert.True(r.IsOk, r.ToString()));

        // Another model's tokens are not among the likely ones.
        using var other = Checkpoint.Open(Files.Fixture("llama-fp16", "golden.safetensors"));
        using var same = ModelLoader.Load(Files.Fixture("llama2-gqa"), new LoadOptions { Dtype = dtype });
        var wrong = new Verifier(same, other, tolerance, 0).Run().Where(r => r.Name.StartsWith("greedy_"));
        Assert.All(wrong, r => Assert.False(r.IsOk));
    }
}
