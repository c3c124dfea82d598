using System.Text;
using System.Text.Json.Nodes;
using Generated.Checkpoints;
using Generated.Checkpoints.Views;
using Generated.Checkpoints.Writing;

namespace Cli.Tests;

/// <summary>Unusable input, one kind each: exit code 2 and one sentence that says what is wrong with what.</summary>
public sealed class RefusalTests : IDisposable
{
    private readonly Data.TemporaryFolder _folder = Data.Temporary();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task MissingTensor()
    {
        Rewrite(views => views.Where(view => view.Info.Name != "model.layers.1.mlp.up_proj.weight"));
        await Refused("lacks", "model.layers.1.mlp.up_proj.weight");
    }

    [Fact]
    public async Task ExtraTensor()
    {
        Rewrite(views => views.Append(views.First().Rename("model.layers.0.self_attn.q_norm.weight")));
        await Refused("does not know", "model.layers.0.self_attn.q_norm.weight");
    }

    [Fact]
    public async Task MisshapenTensor()
    {
        Rewrite(views => views.Select(view => view.Info.Name == "model.norm.weight" ? view.Narrow(0, 0, 63) : view));
        await Refused("model.norm.weight", "[63]", "[64]");
    }

    [Fact]
    public async Task TensorOfATypeThatIsNoFloat()
    {
        Rewrite(views => views, (info, type) => info.Name == "model.norm.weight" ? DType.I32 : type);
        await Refused("no float", "model.norm.weight", "I32");
    }

    [Fact]
    public async Task TruncatedShard()
    {
        Data.Copy(Data.Fixture("llama-bf16-sharded"), _folder["in"]);
        using (var shard = File.OpenWrite(_folder["in", "model-00002-of-00002.safetensors"]))
            shard.SetLength(shard.Length - 10);
        await Refused("model-00002-of-00002.safetensors");
    }

    [Fact]
    public async Task MissingShard()
    {
        Data.Copy(Data.Fixture("llama-bf16-sharded"), _folder["in"]);
        File.Delete(_folder["in", "model-00001-of-00002.safetensors"]);
        await Refused("model-00001-of-00002.safetensors");
    }

    [Theory]
    [InlineData("../model-00002-of-00002.safetensors")]
    [InlineData("/etc/passwd")]
    [InlineData("C:\\x.safetensors")]
    public async Task IndexThatNamesAFileOutsideTheFolder(string path)
    {
        Data.Copy(Data.Fixture("llama-bf16-sharded"), _folder["in"]);
        var index = JsonNode.Parse(File.ReadAllText(_folder["in", "model.safetensors.index.json"]))!;
        index["weight_map"]!["model.norm.weight"] = path;
        File.WriteAllText(_folder["in", "model.safetensors.index.json"], index.ToJsonString());
        await Refused("model.safetensors.index.json", "model.norm.weight");
    }

    [Fact]
    public async Task PickleWithAnUnknownGlobal()
    {
        // os.system("touch FILE"), as pickle protocol 2.
        var witness = _folder["witness"];
        var command = Encoding.UTF8.GetBytes($"touch {witness}");
        byte[] pickle = [0x80, 2, .. "cos\nsystem\n"u8, (byte)'X', .. BitConverter.GetBytes(command.Length), .. command, 0x85, (byte)'R', (byte)'.'];
        Directory.CreateDirectory(_folder["in"]);
        File.Copy(Data.Fixture("llama.paddle", "config.json"), _folder["in", "config.json"]);
        File.WriteAllBytes(_folder["in", "model_state.pdparams"], pickle);
        await Refused("model_state.pdparams", "os.system");
        Assert.False(File.Exists(witness));
    }

    [Theory]
    [InlineData("num_attention_heads", 5)]
    [InlineData("num_attention_heads", 0)]
    [InlineData("num_key_value_heads", 3)]
    public async Task ConfigWithImpossibleHeads(string key, int value)
    {
        Data.Copy(Data.Fixture("llama"), _folder["in"]);
        var config = JsonNode.Parse(File.ReadAllText(_folder["in", "config.json"]))!;
        config[key] = value;
        File.WriteAllText(_folder["in", "config.json"], config.ToJsonString());
        await Refused("config.json", "heads");
    }

    [Fact]
    public async Task TokenizerOfAnotherModel()
    {
        Data.Copy(Data.Fixture("llama"), _folder["in"]);
        File.Copy(Data.Fixture("tokenization", "tok512.model"), _folder["in", "tokenizer.model"]); // 512 pieces, the model has 320
        (await Run.Of("generate", _folder["in"], "--prompt", "Once")).Refused(2, "512", "320");
    }

    [Theory]
    [InlineData("cuda:99", "float32", "cuda:99")]
    [InlineData("tpu", "float32", "tpu")]
    [InlineData("mps", "float32", "mps")]
    [InlineData("cpu", "float33", "float33")]
    public async Task TypeOrDeviceThatIsNotThere(string device, string dtype, string named) =>
        (await Run.Of("generate", Data.Fixture("llama"), "--ids", "1,2", "--device", device, "--dtype", dtype)).Refused(2, $"'{named}'");

    [Theory]
    [InlineData("generate", "--ids", "1,2", "--dtype", "float8_e4m3fn")]
    [InlineData("generate", "--ids", "1,2", "--dtype", "int8")]
    [InlineData("generate", "--ids", "1,2", "--dtype", "complex64")]
    [InlineData("bench", "--dtype", "float64")]
    [InlineData("convert", "out", "--to", "paddle", "--dtype", "bool")]
    public async Task TypeThatNoPassRunsIn(string command, params string[] options) =>
        (await Run.Of([command, Data.Fixture("llama"), .. options])).Refused(2, $"No pass runs in '{options[^1]}'", "use float32, bfloat16 or float16");

    private async Task Refused(params string[] parts)
    {
        (await Run.Of("convert", _folder["in"], _folder["out"], "--to", "paddle")).Refused(2, parts);
        Assert.False(Directory.Exists(_folder["out"]));
    }

    /// <summary>Writes the fixture's tensors with a change.</summary>
    private void Rewrite(Func<IReadOnlyList<TensorView>, IEnumerable<TensorView>> change, Func<TensorInfo, DType, DType>? type = null)
    {
        Directory.CreateDirectory(_folder["in"]);
        File.Copy(Data.Fixture("llama", "config.json"), _folder["in", "config.json"]);
        using var source = Checkpoint.Open(Data.Fixture("llama"));
        var views = change([.. source.Tensors.Keys.Select(name => TensorView.Of(source, name))]).ToList();
        using var writer = CheckpointWriter.Create(_folder["in"], views.Select(view => new TensorInfo(view.Info.Name, type?.Invoke(view.Info, view.Info.DType) ?? view.Info.DType, [.. view.Info.Shape])));
        foreach (var view in views)
        {
            var bytes = new byte[view.Info.ByteCount];
            view.Read(TensorSlice.All(view.Info), bytes);
            writer.Append(view.Info.Name, bytes);
        }

        writer.Complete();
    }
}
