using System.Text.Json;
using System.Text.Json.Nodes;

namespace Cli.Tests;

/// <summary>The commands that run a model, on recorded checkpoints.</summary>
public sealed class ModelCommandTests
{
    [Theory]
    [InlineData("llama", "llama")]
    [InlineData("llama2-gqa", "llama2-gqa")]
    [InlineData("llama-bf16-sharded", "llama-bf16-sharded")]
    [InlineData("llama-fp16", "llama-fp16")]
    [InlineData("llama-bin", "llama")]
    [InlineData("llama.paddle", "llama")]
    public async Task Verify_RecordedCheckpoint_HoldsEverywhere(string folder, string golden)
    {
        var rows = (await Run.Of("verify", Data.Fixture(folder), "--golden", Data.Fixture(golden, "golden.safetensors"))).Ok().Json;
        Assert.All(rows, row => Assert.True(row.GetProperty("ok").GetBoolean()));
        Assert.Contains(rows, row => row.GetProperty("name").GetString() == "logits");
        Assert.Contains(rows, row => row.GetProperty("name").GetString() == "greedy_tokens");
    }

    [Fact]
    public async Task Verify_OtherWeights_Fails()
    {
        var run = await Run.Of("verify", Data.Fixture("llama"), "--golden", Data.Fixture("llama-fp16", "golden.safetensors"), "--rtol", "0", "--atol", "1e-6");
        run.Refused(1, "'hidden.0'");
        Assert.Contains(run.Json, row => !row.GetProperty("ok").GetBoolean());
    }

    [Fact]
    public async Task Verify_UnusableInput_IsRefused()
    {
        (await Run.Of("verify", Data.Fixture("llama"), "--golden", Data.Fixture("llama", "model.safetensors"))).Refused(2, "input_ids");
        (await Run.Of("verify", Data.Fixture("llama"), "--golden", "no-such-file")).Refused(2, "no-such-file");
        (await Run.Of("verify", Data.Fixture("llama"), "--golden", Data.Fixture("llama", "golden.safetensors"), "--device", "tpu")).Refused(2, "'tpu'");
        (await Run.Of("verify", Data.Fixture("llama"), "--golden", Data.Fixture("llama", "golden.safetensors"), "--dtype", "int3")).Refused(2, "'int3'");
    }

    [Fact]
    public async Task Generate_Ids_IsGreedyAndTheSameInABatch()
    {
        var alone = (await Run.Of("generate", Data.Fixture("llama"), "--ids", "5,17,200", "-n", "9", "--ignore-eos", "--json")).Ok().Json.Single();
        var batch = (await Run.Of("generate", Data.Fixture("llama"), "--ids", "9", "--ids", "5,17,200", "-n", "9", "--ignore-eos", "--json")).Ok().Json;
        Assert.Equal(9, alone.GetProperty("ids").GetArrayLength());
        Assert.Equal("max_tokens", alone.GetProperty("finish").GetString());
        Assert.Equal(alone.GetProperty("ids").ToString(), batch[1].GetProperty("ids").ToString());
    }

    [Fact]
    public async Task Bench_Check_ComparesThePasses()
    {
        var row = (await Run.Of("bench", Data.Fixture("llama2-gqa"), "--prompt", "20", "--tokens", "2", "--rounds", "1", "--check", "--json")).Ok().Json.Single();
        Assert.True(row.GetProperty("decode_tokens_per_second").GetDouble() > 0);
    }

    [Fact]
    public async Task Generate_WrongUse_IsRefused()
    {
        (await Run.Of("generate", Data.Fixture("llama"))).Refused(2, "--prompt");
        (await Run.Of("generate", Data.Fixture("llama"), "--ids", "5,x")).Refused(2, "'x'");
        (await Run.Of("generate", Data.Fixture("llama"), "--ids", "5000")).Refused(2, "5000");
        (await Run.Of("generate", Data.Fixture("llama"), "--prompt", "text")).Refused(2, "no tokenizer");
        (await Run.Of("generate", Data.Fixture("llama"), "--ids", "5", "--top-p", "2")).Refused(2, "top-p");
        (await Run.Of("generate", Data.Fixture("llama"), "--ids", "5", "--tp", "0")).Refused(2, "--tp");
    }

    [SkippableFact]
    public async Task Generate_PretrainedModel_WritesTheRecordedStory()
    {
        var folder = Data.Shared("stories260K");
        var run = (await Run.Of("generate", Path.Combine(folder, "hf"), "--prompt", "Once upon a time", "-n", "64")).Ok();
        Assert.Equal(File.ReadAllText(Path.Combine(folder, "expected_text.txt")).TrimEnd('\n'), run.Output.TrimEnd('\n'));
    }

    [SkippableFact]
    public async Task Evaluate_Shares_CoverTheWholeText()
    {
        var folder = Data.Shared("stories260K", "hf");
        var text = Data.Shared("text", "tinystories_excerpt.txt");
        async Task<JsonElement> Share(string from, string to) => (await Run.Of("evaluate", folder, "--text", text, "--from", from, "--to", to, "--json", "--batch", "8")).Ok().Json.Single();
        var (first, rest) = (await Share("0", "0.1"), await Share("0.1", "0.2"));
        var both = await Share("0", "0.2");
        Assert.Equal(both.GetProperty("tokens").GetInt64(), first.GetProperty("tokens").GetInt64() + rest.GetProperty("tokens").GetInt64());
        Assert.Equal(Math.Exp(both.GetProperty("mean_nll").GetDouble()), both.GetProperty("perplexity").GetDouble(), 1e-9);
    }

    [Fact]
    public async Task Convert_ThenVerify_Holds()
    {
        using var folder = Data.Temporary();
        var written = (await Run.Of("convert", Data.Fixture("llama"), folder["paddle"], "--to", "paddle", "--format", "pdparams", "--json")).Ok().Json.Single();
        Assert.Equal("Paddle", written.GetProperty("layout").GetString());
        (await Run.Of("convert", folder["paddle"], folder["hf"], "--max-shard-size", "100KB")).Ok();
        (await Run.Of("verify", folder["hf"], "--golden", Data.Fixture("llama", "golden.safetensors"))).Ok();
        (await Run.Of("convert", folder["paddle"], folder["hf"])).Refused(2, "not empty");
        (await Run.Of("convert", folder["paddle"], folder["hf"], "--overwrite", "--dtype", "bf16")).Ok();
        (await Run.Of("convert", folder["hf"], folder["x"], "--max-shard-size", "big")).Refused(2, "'big'");
    }

    [Fact]
    public async Task Pretrain_StopsResumesAndLearns()
    {
        using var folder = Data.Temporary();
        File.WriteAllText(folder["config.json"], """
            {"model_type": "llama", "vocab_size": 512, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64, "bos_token_id": 1, "eos_token_id": 2}
            """);
        File.WriteAllText(folder["text.txt"], string.Concat(Enumerable.Repeat("Once upon a time there was a llama. It read a book. ", 60)));
        string[] command = ["pretrain", folder["config.json"], folder["out"], "--tokenizer", Data.Tokenizer(folder["tokenizer"]), "--text", folder["text.txt"],
            "--batch", "4", "--window", "32", "--steps", "30", "--learning-rate", "0.01", "--log-every", "5", "--save-every", "10", "--json"];
        var rows = (await Run.Of(command)).Ok().Json;
        Assert.True(rows[^1].GetProperty("loss").GetDouble() < 0.7 * rows[0].GetProperty("loss").GetDouble());
        (await Run.Of(command)).Refused(2, "--resume");
        var resumed = (await Run.Of([.. command, "--resume", "--steps", "31"])).Code;
        Assert.Equal(2, resumed); // an option given twice
        command[Array.IndexOf(command, "30")] = "40";
        var more = (await Run.Of([.. command, "--resume"])).Ok().Json;
        Assert.Equal(35, more[0].GetProperty("step").GetInt64());
        Assert.Equal(2, (await Run.Of("generate", folder["out"], "--prompt", "Once", "-n", "2", "--ignore-eos", "--json")).Ok().Json.Single().GetProperty("ids").GetArrayLength());
    }

    [Fact]
    public async Task Demo_WithTheModelOfTheRepository_ChecksAndWrites()
    {
        var run = (await Run.Of("demo", "-n", "20")).Ok();
        Assert.Equal(3, run.Output.Split("  equal").Length - 1);
        Assert.Contains("[20 tokens", run.Output);
    }

    [Theory]
    [InlineData("float32")]
    [InlineData("bfloat16")]
    public async Task Demo_Json_IsOneObjectWithChecksAndText(string dtype)
    {
        var row = (await Run.Of("demo", "-n", "8", "--json", "--dtype", dtype)).Ok().Json.Single();
        Assert.Equal("llama", row.GetProperty("model").GetProperty("model_type").GetString());
        Assert.Equal(["full", "prefill", "decode"], row.GetProperty("checks").EnumerateArray().Select(check => check.GetProperty("name").GetString()!));
        Assert.All(row.GetProperty("checks").EnumerateArray(), check => Assert.True(check.GetProperty("ok").GetBoolean()));
        Assert.StartsWith("ROMEO:", row.GetProperty("text").GetString());
        Assert.Equal(8, row.GetProperty("tokens").GetInt32());
        Assert.Equal(dtype, row.GetProperty("dtype").GetString());
    }

    [SkippableFact]
    public async Task Demo_OnThePretrainedModel_ChecksAndWrites()
    {
        var run = (await Run.Of("demo", "--checkpoint", Data.Shared("stories260K", "hf"), "--prompt", "Once upon a time", "-n", "20")).Ok();
        Assert.Contains("decode", run.Output);
        Assert.DoesNotContain("DIFFERENT", run.Output);
        Assert.Contains("Once upon a time, there was a little girl named Lily.", run.Output);
        Assert.Contains("tokens/s", run.Output);
    }
}

/// <summary>Configs that contradict themselves or ask for what an architecture has not.</summary>
public sealed class UnusableConfigTests
{
    [Theory]
    [InlineData("llama", "\"num_attention_heads\": 5", "hidden_size")]
    [InlineData("llama", "\"num_key_value_heads\": 3", "num_key_value_heads")]
    [InlineData("llama", "\"hidden_act\": \"gelu\"", "hidden_act")]
    [InlineData("llama", "\"rope_scaling\": {\"type\": \"linear\"}", "factor")]
    [InlineData("llama", "\"rope_scaling\": {\"type\": \"bogus\", \"factor\": 2}", "bogus")]
    [InlineData("llama", "\"vocab_size\": -1", "vocab_size")]
    [InlineData("llama", "\"num_hidden_layers\": \"three\"", "num_hidden_layers")]
    public async Task Inspect_NamesTheKey(string fixture, string replacement, string key)
    {
        using var folder = Data.Temporary();
        var config = JsonNode.Parse(File.ReadAllText(Data.Fixture(fixture, "config.json")))!.AsObject();
        var (name, value) = JsonNode.Parse("{" + replacement + "}")!.AsObject().Single();
        config[name] = value!.DeepClone();
        File.WriteAllText(folder["config.json"], config.ToJsonString());
        (await Run.Of("inspect", folder["config.json"])).Refused(2, key, "config.json");
    }
}
