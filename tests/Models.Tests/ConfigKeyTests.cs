using System.Text;
using System.Text.Json.Nodes;
using Generated.Configuration;
using Generated.Loading;
using Generated.Passes;
using TorchSharp;
using static TorchSharp.torch;

namespace Models.Tests;

/// <summary>Keys of config.json that no recorded checkpoint has with another value, or that are this project's own.</summary>
public sealed class ConfigKeyTests
{
    static ConfigKeyTests() => System.Runtime.CompilerServices.RuntimeHelpers.RunModuleConstructor(typeof(Generated.Models.Llama).Module.ModuleHandle);

    /// <summary>With <c>norm_head</c> each row of the head is divided by its length; without it no row is, whatever else the file says.</summary>
    [Theory]
    [InlineData("baichuan-7b", true)]
    [InlineData("baichuan2-7b", false)]
    public void NormHead_OverridesTheSigns(string fixture, bool given)
    {
        using var folder = new TemporaryFolder();
        using var scope = NewDisposeScope();
        var options = new LoadOptions { Dtype = ScalarType.Float32 };
        using var original = ModelLoader.Load(Fixtures.Folder(fixture), options);
        using var changed = ModelLoader.Load(Fixtures.Changed(fixture, folder["changed"], "norm_head", given ? "true" : "false"), options);
        var lengths = original.Model.Weights().Single(slot => slot.Name == "lm_head.weight").Parameter!.Value.norm(1, keepdim: false);
        var (before, after) = (Logits(original), Logits(changed));
        var expected = given ? before / lengths : before * lengths;
        Assert.True(allclose(expected, after, rtol: 1e-4, atol: 1e-4));
        Assert.False(allclose(before, after, rtol: 1e-2, atol: 1e-2));
    }

    [Fact]
    public void NoBias_False_GivesTheOtherLinearsOfQwenBiases()
    {
        var added = Names("qwen", "no_bias", "false").Except(Names("qwen", "no_bias", "true"));
        Assert.Equal(
            ["transformer.h.0.attn.c_proj.bias", "transformer.h.0.mlp.c_proj.bias", "transformer.h.0.mlp.w1.bias", "transformer.h.0.mlp.w2.bias"],
            added.Where(name => name.StartsWith("transformer.h.0.", StringComparison.Ordinal)).Order(StringComparer.Ordinal));
        Assert.All(added, name => Assert.EndsWith(".bias", name));
    }

    [Theory]
    [InlineData("add_qkv_bias", "query_key_value")]
    [InlineData("add_bias_linear", "query_key_value", "dense", "dense_h_to_4h", "dense_4h_to_h")]
    public void BiasKeysOfChatGlm2_GiveTheirLinearsBiases(string key, params string[] linears)
    {
        var expected = linears.Select(linear => $"{linear}.bias").Order(StringComparer.Ordinal);
        var none = Names("chatglm2", "add_qkv_bias", "false");
        Assert.DoesNotContain(none, name => name.EndsWith(".bias", StringComparison.Ordinal));
        var added = Names("chatglm2", "add_qkv_bias", "false", (key, "true")).Except(none);
        Assert.Equal(expected, added.Where(name => name.Contains(".layers.0.", StringComparison.Ordinal)).Select(name => string.Join('.', name.Split('.')[^2..])).Order(StringComparer.Ordinal));
    }

    private static Tensor Logits(LoadedModel loaded)
    {
        using var noGrad = no_grad();
        var inputs = loaded.Model.Inputs.Prompt(new TokenBatch(1, 4, [1, 5, 9, 13]));
        using var cache = loaded.Model.NewCache(1, 4);
        using var pass = new PassContext(inputs, cache);
        return loaded.Model.Prefill(tensor(new long[] { 1, 5, 9, 13 }).view(1, 4), pass);
    }

    /// <summary>Names of all tensors of a fixture's config with other values.</summary>
    private static HashSet<string> Names(string fixture, string key, string json, params (string Key, string Json)[] more)
    {
        var config = JsonNode.Parse(File.ReadAllText(Path.Combine(Fixtures.Folder(fixture), "config.json")))!.AsObject();
        foreach (var (name, value) in more.Prepend((key, json)))
            config[name] = JsonNode.Parse(value);
        var (architecture, typed) = ModelLoader.ReadConfig(ConfigReader.Parse(Encoding.UTF8.GetBytes(config.ToJsonString()), "config.json"));
        return [.. architecture.TensorsOf(typed).Select(spec => spec.Name)];
    }
}
