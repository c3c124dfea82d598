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
    }

    [Fact]
    public async Task Text_IsReadable()
    {
        var run = (await Run.Of("inspect", Data.Fixture("llama"), "--tp", "2")).Ok();
        Assert.Contains("norm LlamaBlock.MlpNorm → LlamaBlock.Mlp.Gate, LlamaBlock.Mlp.Up: a scale folds into them", run.Output);
        Assert.Contains("one product: LlamaBlock.Q + LlamaBlock.K + LlamaBlock.V", run.Output);
        Assert.Contains("model.layers.0.mlp.down_proj.weight", run.Output);
    }

    [Fact]
    public async Task UnknownPreset_IsRefused_WithTheNearest() => (await Run.Of("inspect", "llama-2-7")).Refused(2, "llama-2-7b");
}
