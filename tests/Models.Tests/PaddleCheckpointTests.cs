using Generated.Checkpoints;
using Generated.Loading;
using Generated.Verification;
using TorchSharp;

namespace Models.Tests;

/// <summary>
/// Checkpoints as PaddleNLP writes them, against the numbers that the original implementations gave. ChatGLM is compared with what
/// unrounded rotary frequencies give, which PaddleNLP computes.
/// </summary>
public sealed class PaddleCheckpointTests
{
    static PaddleCheckpointTests() => System.Runtime.CompilerServices.RuntimeHelpers.RunModuleConstructor(typeof(Generated.Models.Llama).Module.ModuleHandle);

    public static TheoryData<string, string> Originals
    {
        get
        {
            var data = new TheoryData<string, string>();
            foreach (var name in new[] { "llama", "chatglm", "chatglm2", "bloom", "opt", "qwen", "gpt" })
                foreach (var file in new[] { "model.safetensors", "model_state.pdparams", "model_state.reduced.pdparams" })
                    data.Add(name, file);
            return data;
        }
    }

    [SkippableTheory, MemberData(nameof(Originals))]
    public void Original_GivesTheRecordedOutputs(string name, string file)
    {
        var path = Path.Combine(Fixtures.Folder(name + ".paddle"), file);
        if (!File.Exists(path))
            path = Fixtures.Shared(Path.Combine(name + ".paddle", file));
        Skip.If(path is null, $"shared/fixtures/{name}.paddle, which has {file}, is not beside the checkout (a clone has this family in another of the three forms)");
        Verify(path!, name, name == "chatglm" ? "alt.inv_freq_fp32." : "");
    }

    [Theory]
    [InlineData("chatglm", "inv_freq_fp32")]
    [InlineData("chatglm", "alpha28")]
    [InlineData("chatglm-untied", "inv_freq_fp32")]
    [InlineData("chatglm-untied", "alpha28")]
    [InlineData("glm", "gelu_tanh")]
    public void Variant_GivesItsRecordedOutputs(string name, string variant) => Verify(Fixtures.Folder(name), name, $"alt.{variant}.", variant);

    /// <summary>The keys of config.json that the variants stand for.</summary>
    [Theory]
    [InlineData("rotary_half_frequencies", "false", "inv_freq_fp32")]
    [InlineData("residual_depth", "28", "alpha28")]
    public void KeyOfAVariant_GivesItsRecordedOutputs(string key, string json, string variant)
    {
        using var folder = new TemporaryFolder();
        Verify(Fixtures.Changed("chatglm", folder["changed"], key, json), "chatglm", $"alt.{variant}.");
    }

    [Fact]
    public void IdsAlone_GiveTheRecordedOutputs() => Verify(Fixtures.Folder("glm"), "glm", "default.", idsOnly: true);

    [Fact]
    public void VariantsThatAModelIs_AreRecognised()
    {
        using var original = ModelLoader.Load(Fixtures.Folder("chatglm"));
        using var other = ModelLoader.Load(Fixtures.Folder("chatglm"), new LoadOptions { Variant = "alpha28" });
        Assert.Empty(original.Variants);
        Assert.Equal(["alpha28"], other.Variants);
        var refusal = Assert.Throws<Generated.InvalidInputException>(() => ModelLoader.Load(Fixtures.Folder("chatglm"), new LoadOptions { Variant = "alpha" }));
        Assert.Contains("alpha28, inv_freq_fp32", refusal.Message, StringComparison.Ordinal);
    }

    private static void Verify(string checkpoint, string golden, string prefix, string? variant = null, bool idsOnly = false)
    {
        using var loaded = ModelLoader.Load(checkpoint, new LoadOptions { Dtype = torch.ScalarType.Float32, Variant = variant });
        using var recorded = Checkpoint.Open(Path.Combine(Fixtures.Folder(golden), "golden.safetensors"));
        var results = new Verifier(loaded, recorded, idsOnly: idsOnly).Run().ToList();
        var wrong = results.Where(r => !r.IsOk).Select(r => $"{r.Name}: {r.MaxAbsolute:g3} {r.Note}").ToList();
        Assert.True(wrong.Count == 0, string.Join("\n", wrong));
        Assert.Contains(results, r => r.Name == prefix + "logits");
        Assert.All(results, r => Assert.StartsWith(prefix, r.Name, StringComparison.Ordinal));
        Assert.Equal(recorded.Tensors.ContainsKey(prefix + "greedy_tokens"), results.Any(r => r.Name == prefix + "greedy_tokens"));
        Assert.Equal(recorded.Tensors.Keys.Count(n => n.StartsWith(prefix + "grad.", StringComparison.Ordinal)), results.Count(r => r.Name.StartsWith(prefix + "grad.", StringComparison.Ordinal)));
    }
}
