using System.Runtime.CompilerServices;
using System.Text;
using Generated.Architectures;
using Generated.Configuration;

namespace Cli.Tests;

public sealed class InspectTests
{
    [Fact]
    public async Task Preset_HasThePublishedSize()
    {
        var facts = (await Run.Of("inspect", "llama-2-7b", "--json")).Ok().Json.Single();
        Assert.Equal(6_738_415_616, facts.GetProperty("parameters").GetInt64());
        Assert.Equal(32, facts.GetProperty("blocks").GetInt32());
        Assert.Equal(32 * 2 * 4096, facts.GetProperty("kv_cache_values_per_token").GetInt64());
        Assert.Equal(4096, facts.GetProperty("config").GetProperty("hidden_size").GetInt32());
    }

    [Fact]
    public async Task TiedHead_IsNoTensorOfItsOwn() =>
        Assert.Contains("124,439,808 parameters in 148 tensors", (await Run.Of("inspect", "gpt2")).Ok().Output);

    [Fact]
    public async Task Structure_NamesWhatFoldsAndWhatFuses()
    {
        var facts = (await Run.Of("inspect", Data.Fixture("llama2-gqa"), "--json")).Ok().Json.Single();
        var norm = facts.GetProperty("norm_groups").EnumerateArray().Single(g => g.GetProperty("norm").GetString() == "LlamaBlock.AttnNorm");
        Assert.True(norm.GetProperty("foldable").GetBoolean());
        Assert.Equal(["LlamaBlock.Q", "LlamaBlock.K", "LlamaBlock.V"], norm.GetProperty("linears").EnumerateArray().Select(l => l.GetString()));
        Assert.Equal(2, facts.GetProperty("fused").GetArrayLength());
        Assert.StartsWith("complete", facts.GetProperty("checkpoint").GetString());
        Assert.Contains("use_cache", facts.GetProperty("unknown_keys").EnumerateArray().Select(k => k.GetString()));
    }

    [Fact]
    public async Task TensorParallel_ShowsEachRanksPart()
    {
        var rank = (await Run.Of("inspect", "llama-2-70b", "--tp", "8", "--json")).Ok().Json.Single().GetProperty("rank");
        var shapes = rank.GetProperty("shapes");
        int[] Shape(string name) => [.. shapes.GetProperty(name).EnumerateArray().Select(s => s.GetInt32())];
        Assert.Equal([1024, 8192], Shape("model.layers.0.self_attn.q_proj.weight"));
        Assert.Equal([128, 8192], Shape("model.layers.0.self_attn.k_proj.weight"));
        Assert.Equal([8192, 3584], Shape("model.layers.0.mlp.down_proj.weight"));
        Assert.Equal([8192], Shape("model.norm.weight"));
        (await Run.Of("inspect", "llama-2-7b", "--tp", "5", "--json")).Refused(2, "5 ranks");
        Assert.Empty((await Run.Of("inspect", "llama-2-7b", "--tp", "5")).Refused(2, "5 ranks").Output);
    }

    [Fact]
    public async Task QuantizationConfig_IsNoUnusedKey()
    {
        using var folder = Data.Temporary();
        (await Run.Of("quantize", Data.Fixture("llama"), folder["q"], "--recipe", "w8", "--evaluation-rows", "0")).Ok();
        var facts = (await Run.Of("inspect", folder["q"], "--json")).Ok().Json.Single();
        var unknown = facts.GetProperty("unknown_keys").EnumerateArray().Select(k => k.GetString()).ToList();
        Assert.DoesNotContain("quantization_config", unknown);
        Assert.Contains("use_cache", unknown);
    }

    [Fact]
    public async Task Text_IsReadable()
    {
        var run = (await Run.Of("inspect", Data.Fixture("llama"), "--tp", "2")).Ok();
        Assert.Contains("norm LlamaBlock.MlpNorm → LlamaBlock.Mlp.Gate, LlamaBlock.Mlp.Up: a scale folds into them", run.Output);
        Assert.Contains("one product: LlamaBlock.Q + LlamaBlock.K + LlamaBlock.V", run.Output);
        Assert.Contains("model.layers.0.mlp.down_proj.weight", run.Output);
    }

    /// <summary>Whatever is derived is shown, for every published size and every recorded checkpoint.</summary>
    [Fact]
    public async Task EveryPresetAndFixture_ShowsItsStructure()
    {
        RuntimeHelpers.RunModuleConstructor(typeof(Generated.Models.Llama).Module.ModuleHandle);
        var presets = ArchitectureRegistry.All.SelectMany(a => a.Presets).Select(p => p.Name).ToList();
        var fixtures = Directory.EnumerateDirectories(Data.Fixture()).Where(folder => File.Exists(Path.Combine(folder, "config.json"))).ToList();
        Assert.True(presets.Count > 80 && fixtures.Count > 20, $"{presets.Count} presets, {fixtures.Count} fixtures");
        foreach (var name in presets.Concat(fixtures))
        {
            var json = (await Run.Of("inspect", name, "--json")).Ok().Json.Single();
            var text = (await Run.Of("inspect", name)).Ok().Output;
            var config = ConfigReader.Parse(Encoding.UTF8.GetBytes(json.GetProperty("config").GetRawText()), name);
            var architecture = ArchitectureRegistry.All.Single(a => a.Name == json.GetProperty("architecture").GetString());
            var structure = architecture.StructureOf(architecture.ReadConfig(config));

            Assert.Equal(structure.NormGroups.Select(g => (g.Norm, g.IsFoldable, g.IsShortcut)), json.GetProperty("norm_groups").EnumerateArray().Select(g =>
                (g.GetProperty("norm").GetString()!, g.GetProperty("foldable").GetBoolean(), g.GetProperty("post_norm_shortcut").GetBoolean())));
            Assert.Equal(structure.Linears.Select(l => (l.Path, l.Output)), json.GetProperty("linears").EnumerateArray().Select(l => (l.GetProperty("path").GetString()!, l.GetProperty("output").GetInt32())));
            Assert.Equal(structure.ScalePairs.Select(p => p.Source), json.GetProperty("scale_pairs").EnumerateArray().Select(p => p.GetProperty("source").GetString()!));
            Assert.Equal(structure.FusedGroups.Count, json.GetProperty("fused").GetArrayLength());
            Assert.Equal(structure.Exchanges.Select(e => e.Path), json.GetProperty("exchanges").EnumerateArray().Select(e => e.GetProperty("after").GetString()!));
            Assert.Equal(structure.SequenceExchanges.Select(e => e.Path), json.GetProperty("sequence_exchanges").EnumerateArray().Select(e => e.GetProperty("layer").GetString()!));

            Assert.All(structure.NormGroups, g => Assert.Contains($"norm {g.Norm} → {(g.Linears.Count > 0 ? string.Join(", ", g.Linears) : "no linear")}: {(g.IsFoldable ? "a scale folds" : "not foldable (")}", text));
            Assert.All(structure.Linears, l => Assert.Contains($"{l.Input} → {l.Output}", text));
            Assert.All(structure.FusedGroups, f => Assert.Contains($"one product: {string.Join(" + ", f.Linears)}", text));
        }
    }

    [Fact]
    public async Task Text_OfAPostNormShortcut_SaysSo()
    {
        var text = (await Run.Of("inspect", "chatglm-6b")).Ok().Output;
        Assert.Contains("norm ChatGlmBlock.AttnNorm → ChatGlmBlock.Qkv: not foldable (it also feeds the residual scaled by Alpha: a post-norm shortcut)", text);
        Assert.Contains("scale moves: section 3 of 3 of ChatGlmBlock.Qkv → ChatGlmBlock.Dense (through attention)", text);
        Assert.Contains("norm Bloom.EmbedNorm → no linear: not foldable (it feeds 'Blocks')", (await Run.Of("inspect", "bloom-7b1")).Ok().Output);
    }

    [Fact]
    public async Task UnknownPreset_IsRefused_WithTheNearest() => (await Run.Of("inspect", "llama-2-7")).Refused(2, "llama-2-7b");
}
