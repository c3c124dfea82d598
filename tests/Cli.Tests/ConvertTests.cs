using System.Text.Json.Nodes;
using Generated.Checkpoints;
using Generated.Checkpoints.Writing;

namespace Cli.Tests;

/// <summary>Checkpoints from Hugging Face to Paddle and back, through the command.</summary>
public sealed class ConvertTests
{
    /// <summary>Families of which PaddleNLP's own files were recorded.</summary>
    public static TheoryData<string> Recorded => ["llama", "chatglm", "chatglm2", "bloom", "opt", "qwen", "gpt"];

    public static TheoryData<string> All =>
    [
        "llama", "llama2-gqa", "llama-fp16", "llama-bf16-sharded", "chatglm", "chatglm2", "bloom", "bloom-unprefixed", "gpt", "gpt-unprefixed",
        "opt", "opt-postln", "glm", "qwen", "qwen-ntk", "qwen2", "baichuan-7b", "baichuan-13b", "baichuan2-7b",
    ];

    [Theory, MemberData(nameof(All))]
    public async Task ThereAndBack_IsTheSameInEveryByte(string name)
    {
        using var folder = Data.Temporary();
        var source = Data.Fixture(name);
        (await Run.Of("convert", source, folder["safetensors"], "--to", "paddle", "--max-shard-size", "200KB")).Ok();
        (await Run.Of("convert", source, folder["pickle"], "--to", "paddle", "--format", "pdparams")).Ok();
        Assert.Equal(Tensors.Of(folder["pickle"]), Tensors.Of(folder["safetensors"]));
        foreach (var paddle in new[] { "safetensors", "pickle" })
        {
            (await Run.Of("convert", folder[paddle], folder["back"], "--overwrite")).Ok();
            Assert.Equal(Tensors.Of(source), Tensors.Of(folder["back"]));
            Assert.True(JsonNode.DeepEquals(Config(source), Config(folder["back"])), Config(folder["back"]).ToJsonString());
        }
    }

    [Theory, MemberData(nameof(Recorded))]
    public async Task ToPaddle_GivesPaddleNlpsTensors(string name)
    {
        using var folder = Data.Temporary();
        (await Run.Of("convert", Data.Fixture(name), folder["paddle"], "--to", "paddle", "--format", "pdparams")).Ok();
        Assert.Equal(Tensors.Recorded(Data.Fixture(name + ".paddle", "tensors.json")), Tensors.Of(folder["paddle"]));
    }

    [Theory, MemberData(nameof(Recorded))]
    public async Task ToPaddle_GivesPaddleNlpsKeys(string name)
    {
        using var folder = Data.Temporary();
        (await Run.Of("convert", Data.Fixture(name), folder["paddle"], "--to", "paddle")).Ok();
        var (theirs, ours) = (Config(Data.Fixture(name + ".paddle")), Config(folder["paddle"]));
        string[] sizes = ["vocab_size", "hidden_size", "num_hidden_layers", "n_layer", "num_attention_heads", "n_head", "num_key_value_heads", "intermediate_size", "inner_hidden_size",
            "ffn_hidden_size", "max_position_embeddings", "multi_query_group_num", "kv_channels", "max_sequence_length", "normalize_before", "model_type", "architectures", "dtype"];
        foreach (var key in sizes.Where(key => theirs.ContainsKey(key) && (key != "normalize_before" || name == "opt")))
            Assert.True(JsonNode.DeepEquals(theirs[key], ours[key]), $"{key}: {ours[key]}, in PaddleNLP's config {theirs[key]}");
    }

    /// <summary>Originals of PaddleNLP, in each encoding, to Hugging Face.</summary>
    [SkippableTheory, MemberData(nameof(Recorded))]
    public async Task FromPaddle_GivesTheOriginalsTensors(string name)
    {
        using var folder = Data.Temporary();
        foreach (var file in new[] { "model.safetensors", "model_state.pdparams", "model_state.reduced.pdparams" })
        {
            var original = Data.Fixture(name + ".paddle", file);
            if (!File.Exists(original))
                original = Path.Combine(Data.SharedFixture(name + ".paddle"), file);
            (await Run.Of("convert", original, folder["hf"], "--overwrite", "--verify")).Ok();
            var (expected, actual) = (Tensors.Of(Data.Fixture(name)), Tensors.Of(folder["hf"]));
            // ChatGLM's rotary buffers are in the original's file only, and are computed when a model is made.
            foreach (var buffer in expected.Keys.Where(key => name == "chatglm" && key.EndsWith("rotary_emb.inv_freq", StringComparison.Ordinal)).ToList())
                expected.Remove(buffer);
            Assert.Equal(expected, actual);
        }
    }

    [Fact]
    public async Task Converted_GivesTheRecordedOutputs()
    {
        // ChatGLM keeps its rounded frequencies on the way: the function is the source's.
        using var folder = Data.Temporary();
        (await Run.Of("convert", Data.Fixture("chatglm"), folder["paddle"], "--to", "paddle", "--format", "pdparams")).Ok();
        (await Run.Of("verify", folder["paddle"], "--golden", Data.Fixture("chatglm", "golden.safetensors"))).Ok();
        (await Run.Of("verify", folder["paddle"], "--golden", Data.Fixture("chatglm", "golden.safetensors"), "--variant", "inv_freq_fp32")).Ok();
        (await Run.Of("convert", folder["paddle"], folder["hf"])).Ok();
        (await Run.Of("verify", folder["hf"], "--golden", Data.Fixture("chatglm", "golden.safetensors"))).Ok();
    }

    [Fact]
    public async Task HeadThatPaddleTies_IsRefusedWhereItIsAnother()
    {
        using var folder = Data.Temporary();
        (await Run.Of("convert", Data.Fixture("chatglm-untied"), folder["paddle"], "--to", "paddle")).Refused(2, "lm_head.weight", "word_embeddings");
        Assert.Empty(Directory.EnumerateFileSystemEntries(folder.Path));
        (await Run.Of("convert", Data.Fixture("chatglm-untied"), folder["hf"])).Ok();
        Assert.Equal(Tensors.Of(Data.Fixture("chatglm-untied")), Tensors.Of(folder["hf"]));
    }

    [Fact]
    public async Task HeadOfItsOwn_OfGptIsKept()
    {
        using var folder = Data.Temporary();
        Directory.CreateDirectory(folder["source"]);
        var config = Config(Data.Fixture("gpt"));
        config["tie_word_embeddings"] = false;
        File.WriteAllText(folder["source", "config.json"], config.ToJsonString());
        using (var tied = Checkpoint.Open(Data.Fixture("gpt")))
        {
            // The positions' matrix is as wide as the embedding and its values are others: rows of it make a head that is not the embedding.
            var (head, rows) = (tied.Info("transformer.wte.weight").Rename("lm_head.weight"), tied.ReadBytes("transformer.wpe.weight"));
            byte[] values = [.. Enumerable.Range(0, (int)head.ByteCount).Select(i => rows[i % rows.Length])];
            TensorInfo[] tensors = [.. tied.Tensors.Values.Where(info => info.Name != head.Name), head];
            using var writer = CheckpointWriter.Create(folder["source"], tensors, new CheckpointWriteOptions());
            foreach (var info in tensors)
                writer.Append(info.Name, info.Name == head.Name ? values : tied.ReadBytes(info.Name));
            writer.Complete();
        }

        (await Run.Of("convert", folder["source"], folder["paddle"], "--to", "paddle", "--format", "pdparams", "--verify")).Ok();
        var (source, paddle) = (Tensors.Of(folder["source"]), Tensors.Of(folder["paddle"]));
        Assert.Equal(source["lm_head.weight"], paddle["lm_head.weight"]);
        Assert.NotEqual(source["lm_head.weight"], source["transformer.wte.weight"]);
        (await Run.Of("convert", folder["paddle"], folder["back"], "--verify")).Ok();
        Assert.Equal(source, Tensors.Of(folder["back"]));
        Assert.True(JsonNode.DeepEquals(config, Config(folder["back"])));
    }

    [Fact]
    public async Task OtherFiles_ComeAlong()
    {
        using var folder = Data.Temporary();
        Data.Copy(Data.Fixture("llama"), folder["source"]);
        string[] companions = ["tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "tokenizer.model", "qwen.tiktoken", "generation_config.json", "merges.txt", "chat_template.jinja"];
        foreach (var file in companions)
            File.WriteAllText(folder["source", file], $$"""{"file": "{{file}}"}""");
        (await Run.Of("convert", folder["source"], folder["paddle"], "--to", "paddle")).Ok();
        (await Run.Of("convert", folder["paddle"], folder["hf"])).Ok();
        Assert.All(companions, file => Assert.Equal(File.ReadAllText(folder["source", file]), File.ReadAllText(folder["hf", file])));
        Assert.False(File.Exists(folder["hf", "golden.safetensors"]));
    }

    [Theory]
    [InlineData("llama", "bfloat16")]
    [InlineData("glm", "float16")]
    [InlineData("chatglm", null)]
    [InlineData("gpt-unprefixed", null)]
    public async Task Verify_PrintsTheDifferences(string name, string? dtype)
    {
        using var folder = Data.Temporary();
        string[] command = ["convert", Data.Fixture(name), folder["out"], "--to", "paddle", "--verify", "--json", .. dtype is null ? Array.Empty<string>() : ["--dtype", dtype]];
        var rows = (await Run.Of(command)).Ok().Json;
        Assert.Equal("logits", rows[^2].GetProperty("name").GetString());
        Assert.True(rows.Length >= 5);
        Assert.All(rows[..^1], row => Assert.Equal(0, row.GetProperty("max_abs").GetDouble()));
        Assert.Equal(folder["out"], rows[^1].GetProperty("directory").GetString());
    }

    [Fact]
    public void Verify_SeesAnotherModel()
    {
        var results = Generated.Verification.ForwardComparison.Run(Data.Fixture("llama"), Data.Fixture("llama-fp16"));
        Assert.Contains(results, result => result is { Name: "logits", IsOk: false, MaxAbsolute: > 1e-6 });
    }

    [Fact]
    public async Task UnusableOptions_AreRefused()
    {
        using var folder = Data.Temporary();
        (await Run.Of("convert", Data.Fixture("llama"), folder["x"], "--format", "pdparams")).Refused(2, "--to paddle");
        (await Run.Of("convert", Data.Fixture("llama"), folder["x"], "--tp", "2")).Refused(2, "--to paddle");
        (await Run.Of("convert", Data.Fixture("llama"), folder["x"], "--to", "paddle", "--tp", "0")).Refused(2, "ranks");
        (await Run.Of("convert", Data.Fixture("llama"), folder["x"], "--dtype", "int8")).Refused(2, "'int8'");
        (await Run.Of("convert", Data.Fixture("llama"), folder["x"], "--verify", "--device", "tpu")).Refused(2, "'tpu'");
        Assert.Empty(Directory.EnumerateFileSystemEntries(folder.Path));
    }

    [Fact]
    public async Task Overwriting_WhatIsNoCheckpoint_IsRefused()
    {
        using var folder = Data.Temporary();
        Data.Copy(Data.Fixture("llama"), folder["outer", "inner"]);
        Data.Copy(Data.Fixture("llama"), folder["outer"]);
        Directory.CreateDirectory(folder["notes"]);
        File.WriteAllText(folder["notes", "diary.txt"], "text");

        (await Run.Of("convert", Data.Fixture("llama"), folder["notes"], "--overwrite")).Refused(2, "no checkpoint");
        (await Run.Of("quantize", Data.Fixture("llama"), folder["notes"], "--recipe", "w8", "--overwrite")).Refused(2, "no checkpoint");
        (await Run.Of("convert", folder["outer", "inner"], folder["outer"], "--overwrite")).Refused(2, "would be lost");

        Assert.Equal("text", File.ReadAllText(folder["notes", "diary.txt"]));
        Assert.True(File.Exists(folder["outer", "inner", "config.json"]));
    }

    private static JsonObject Config(string folder) => JsonNode.Parse(File.ReadAllText(Path.Combine(folder, "config.json")))!.AsObject();
}
