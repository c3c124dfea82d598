using System.Runtime.InteropServices;
using System.Text.Json.Nodes;
using Generated.Checkpoints;
using Generated.Checkpoints.Writing;

namespace Cli.Tests;

/// <summary>
/// Checkpoints of PaddleNLP's fuse_attention_qkv and fuse_attention_ffn, put together column by column as its fuse_param_func documents
/// ([q1, k1, v1, q2, k2, v2, …], for grouped heads [q1, q2, k1, v1, q3, q4, k2, v2]; [gate, up]), against the recorded values.
/// </summary>
public sealed class FusedPaddleTests
{
    private const int HeadWidth = 16;

    private static readonly string[] Qkv = ["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"];

    [Theory]
    [InlineData("llama", 4, 4, "mlp.gate_proj", "mlp.up_proj")]
    [InlineData("llama2-gqa", 4, 2, "mlp.gate_proj", "mlp.up_proj")]
    [InlineData("qwen2", 4, 2, "mlp.gate_proj", "mlp.up_proj")]
    [InlineData("opt", 4, 4)]
    [InlineData("gpt", 4, 4)]
    [InlineData("qwen", 0, 0, "mlp.w2", "mlp.w1")] // swiglu(w2(x), w1(x)): the gate is w2
    public async Task FusedTensors_GiveTheRecordedOutputs(string name, int heads, int kvHeads, params string[] mlp)
    {
        using var folder = Data.Temporary();
        (await Run.Of("convert", Data.Fixture(name), folder["paddle"], "--to", "paddle", "--format", "pdparams")).Ok();
        Assert.True(Rewrite(folder["paddle"], folder["fused"], "model_state", heads, kvHeads, mlp) >= 3);
        (await Run.Of("verify", folder["fused"], "--golden", Data.Fixture(name, "golden.safetensors"))).Ok();
        // And back, each linear by itself, in every byte.
        (await Run.Of("convert", folder["fused"], folder["split"], "--to", "paddle", "--format", "pdparams")).Ok();
        Assert.Equal(Tensors.Of(folder["paddle"]), Tensors.Of(folder["split"]));
        (await Run.Of("convert", folder["fused"], folder["hf"], "--to", "hf", "--verify")).Ok();
        Assert.DoesNotContain("fuse_attention", File.ReadAllText(folder["hf", "config.json"]));
    }

    [Fact]
    public async Task FusedRanks_AreJoined()
    {
        using var folder = Data.Temporary();
        (await Run.Of("convert", Data.Fixture("llama2-gqa"), folder["ranks"], "--to", "paddle", "--tp", "2")).Ok();
        // A plain column split of the groups; gate and up are divided each by itself: a rank's tensor is its own parts fused.
        foreach (var rank in new[] { "model_state.tp00", "model_state.tp01" })
            Assert.True(Rewrite(folder["ranks"], folder["fused"], rank, 2, 1, ["mlp.gate_proj", "mlp.up_proj"]) >= 3);
        (await Run.Of("verify", folder["fused"], "--golden", Data.Fixture("llama2-gqa", "golden.safetensors"))).Ok();
    }

    [Fact]
    public async Task FusedTensorOfAnotherWidth_IsRefused()
    {
        using var folder = Data.Temporary();
        (await Run.Of("convert", Data.Fixture("llama2-gqa"), folder["paddle"], "--to", "paddle", "--format", "pdparams")).Ok();
        Rewrite(folder["paddle"], folder["fused"], "model_state", 4, 2, ["mlp.gate_proj", "mlp.up_proj"], missing: 5);
        (await Run.Of("verify", folder["fused"], "--golden", Data.Fixture("llama2-gqa", "golden.safetensors"))).Refused(2, "self_attn.qkv_proj.weight", "123", "32 + 16 + 16");
    }

    /// <summary>Writes a file again with its linears fused; returns how many fused tensors there are.</summary>
    private static int Rewrite(string from, string to, string stem, int heads, int kvHeads, string[] mlp, int missing = 0)
    {
        Directory.CreateDirectory(to);
        var config = JsonNode.Parse(File.ReadAllText(Path.Combine(from, "config.json")))!;
        (config["fuse_attention_qkv"], config["fuse_attention_ffn"]) = (heads > 0, mlp.Length > 0);
        File.WriteAllText(Path.Combine(to, "config.json"), config.ToJsonString());
        using var source = Checkpoint.Open(Path.Combine(from, stem + ".pdparams"));
        var tensors = source.Tensors.Values.ToDictionary(info => info.Name, info => (info.Shape, Values: MemoryMarshal.Cast<byte, float>(source.ReadBytes(info.Name)).ToArray()));
        var fused = 0;
        foreach (var first in tensors.Keys.ToArray())
        {
            if (heads > 0 && first.Contains(Qkv[0], StringComparison.Ordinal))
                Fuse(first, Qkv, "self_attn.qkv_proj", GroupByGroup(heads, kvHeads, HeadWidth));
            else if (mlp.Length > 0 && first.Contains(mlp[0], StringComparison.Ordinal))
                Fuse(first, mlp, "mlp.gate_up_fused_proj", [.. Columns(0, 0, tensors[first].Shape[^1]), .. Columns(1, 0, tensors[first].Shape[^1])]);
        }

        using var writer = CheckpointWriter.Create(to, tensors.Select(tensor => new TensorInfo(tensor.Key, DType.F32, [.. tensor.Value.Shape])), new CheckpointWriteOptions { Format = CheckpointFormat.PaddlePickle, FileStem = stem });
        foreach (var (name, tensor) in tensors)
            writer.Append(name, MemoryMarshal.AsBytes(tensor.Values.AsSpan()));
        writer.Complete();
        return fused;

        void Fuse(string first, string[] parts, string name, (int Part, long Column)[] columns)
        {
            var members = parts.Select(part => tensors[first.Replace(parts[0], part)]).ToArray();
            columns = columns[..^missing];
            var rows = members[0].Shape.Count == 2 ? members[0].Shape[0] : 1;
            var values = new float[rows * columns.Length];
            for (var row = 0L; row < rows; row++)
                for (var column = 0; column < columns.Length; column++)
                {
                    var (part, index) = columns[column];
                    values[(row * columns.Length) + column] = members[part].Values[(row * members[part].Shape[^1]) + index];
                }

            foreach (var part in parts)
                tensors.Remove(first.Replace(parts[0], part));
            tensors[first.Replace(parts[0], name)] = (members[0].Shape.Count == 2 ? [rows, columns.Length] : [columns.Length], values);
            fused++;
        }
    }

    private static (int, long)[] GroupByGroup(int heads, int kvHeads, int width)
    {
        var columns = new List<(int, long)>();
        var queries = heads / kvHeads;
        for (var group = 0; group < kvHeads; group++)
        {
            for (var head = group * queries; head < (group + 1) * queries; head++)
                columns.AddRange(Columns(0, head * width, width));
            columns.AddRange(Columns(1, group * width, width));
            columns.AddRange(Columns(2, group * width, width));
        }

        return [.. columns];
    }

    private static IEnumerable<(int Part, long Column)> Columns(int part, long start, long count) => Enumerable.Range(0, (int)count).Select(i => (part, start + i));
}
