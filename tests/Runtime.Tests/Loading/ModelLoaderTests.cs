using Generated;
using Generated.Checkpoints;
using Generated.Checkpoints.Writing;
using Generated.Loading;
using Runtime.Tests.Checkpoints;
using TorchSharp;

namespace Runtime.Tests.Loading;

public sealed class ModelLoaderTests
{
    /// <summary>A copy of the llama fixture with other tensors.</summary>
    private static void Write(string folder, Func<TensorInfo, TensorInfo?> change, params TensorInfo[] extra)
    {
        using var source = Checkpoint.Open(Files.Fixture("llama"));
        var tensors = source.Tensors.Values.Select(change).OfType<TensorInfo>().Concat(extra).ToList();
        using var writer = CheckpointWriter.Create(folder, tensors);
        foreach (var tensor in tensors)
            writer.Append(tensor.Name, new byte[tensor.ByteCount]);
        writer.Complete();
        File.Copy(Files.Fixture("llama", "config.json"), Path.Combine(folder, "config.json"), overwrite: true);
    }

    private static string Refusal(string folder) => Assert.Throws<InvalidInputException>(() => Models.Load(folder)).Message;

    [Fact]
    public void MissingExtraAndMisshaped_AreOneErrorThatListsThem()
    {
        using var folder = Files.Temporary();
        Write(
            folder.Path,
            info => info.Name switch
            {
                "model.layers.1.mlp.up_proj.weight" => null,
                "model.layers.2.self_attn.q_proj.weight" => new TensorInfo(info.Name, info.DType, 32, 64),
                "model.norm.weight" => new TensorInfo(info.Name, DType.I32, 64),
                _ => info,
            },
            new TensorInfo("model.layers.0.self_attn.surprise", DType.F32, 3),
            new TensorInfo("model.layers.2.self_attn.rotary_emb.inv_freq", DType.F32, 8));
        var message = Refusal(folder.Path);
        Assert.Contains("it lacks 'model.layers.1.mlp.up_proj.weight' [160, 64]", message);
        Assert.Contains("'model.layers.2.self_attn.q_proj.weight' is [32, 64] instead of [64, 64]", message);
        Assert.Contains("'model.layers.0.self_attn.surprise' [3]", message);
        Assert.Contains("'model.norm.weight' I32", message);
        Assert.DoesNotContain("inv_freq", message);
        Assert.DoesNotContain("\n", message);
    }

    [Fact]
    public void ManyMissing_AreCounted()
    {
        using var folder = Files.Temporary();
        Write(folder.Path, info => info.Name.Contains("layers") ? null : info);
        Assert.Contains("and 19 more", Refusal(folder.Path));
    }

    [Theory]
    [InlineData("\"model_type\": \"lama\"", "'lama'")]
    [InlineData("\"model_type\": \"llama\", \"hidden_size\": -64", "'hidden_size' is -64")]
    [InlineData("\"model_type\": \"llama\", \"quantization_config\": {}", "quantization_config")]
    [InlineData("\"model_type\": \"llama\", \"hidden_size\": 64, \"num_key_value_heads\": 3", "3 key/value heads")]
    public void UnusableConfig_IsRefusedByKey(string keys, string expected)
    {
        using var folder = Files.Temporary();
        Write(folder.Path, info => info);
        File.WriteAllText(
            Path.Combine(folder.Path, "config.json"),
            $$"""{"vocab_size": 320, "num_hidden_layers": 3, "num_attention_heads": 4, "intermediate_size": 160, {{keys}}}""");
        var message = Refusal(folder.Path);
        Assert.Contains(expected, message);
        Assert.Contains("config.json", message);
    }

    [Fact]
    public void TiedCopy_WithOtherValues_IsRefused()
    {
        using var folder = Files.Temporary();
        using (var source = Checkpoint.Open(Files.Fixture("llama")))
            CheckpointWriter.Write(source, folder.Path);
        File.WriteAllText(Path.Combine(folder.Path, "config.json"), File.ReadAllText(Files.Fixture("llama", "config.json")).Replace("\"tie_word_embeddings\": false", "\"tie_word_embeddings\": true"));
        var message = Refusal(folder.Path);
        Assert.Contains("'lm_head.weight'", message);
        Assert.Contains("tie_word_embeddings", message);
    }

    [Fact]
    public void Load_KeepsTheFilesTypeUnlessAsked()
    {
        using var loaded = ModelLoader.Load(Files.Fixture("llama-bf16-sharded"));
        Assert.Equal(torch.ScalarType.BFloat16, loaded.Model.Dtype);
        Assert.Equal([2], loaded.EosIds);
        Assert.Equal(128, loaded.ContextLength);
        Assert.Contains("no tokenizer", Assert.Throws<InvalidInputException>(() => loaded.RequireTokenizer()).Message);
    }

    [Fact]
    public void ForgottenPages_ComeBack()
    {
        using var checkpoint = Checkpoint.Open(Files.Fixture("llama"));
        var before = checkpoint.ReadBytes("model.norm.weight");
        checkpoint.ForgetPages();
        Assert.Equal(before, checkpoint.ReadBytes("model.norm.weight"));
    }
}
