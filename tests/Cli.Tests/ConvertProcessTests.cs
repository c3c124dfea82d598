using System.Diagnostics;
using System.Globalization;
using Generated.Checkpoints;
using Generated.Checkpoints.Writing;

namespace Cli.Tests;

/// <summary>The command as a process: how much memory a conversion takes, and what is left of one that is killed.</summary>
[Collection(nameof(ConvertProcessTests))]
[CollectionDefinition(nameof(ConvertProcessTests), DisableParallelization = true)]
public sealed class ConvertProcessTests
{
    private const int Hidden = 1024, Ffn = 2816, Layers = 8, Vocabulary = 512;
    private const long LayerBytes = ((4L * Hidden * Hidden) + (3L * Hidden * Ffn) + (2 * Hidden)) * 2;

    [SkippableFact]
    public void Memory_StaysWithinTwoShards()
    {
        Skip.IfNot(OperatingSystem.IsLinux(), "the peak of a process is read from /proc");
        using var folder = Data.Temporary();
        Create(folder["in"]);
        Assert.True(Directory.GetFiles(folder["in"], "model-*").Length >= Layers);
        // The process alone, with libtorch and a model of 0.7 MB; then the same with 206 MB, each matrix transposed.
        var small = Peak("convert", Data.Fixture("llama"), folder["small"], "--to", "paddle", "--format", "pdparams");
        var large = Peak("convert", folder["in"], folder["out"], "--to", "paddle", "--format", "pdparams", "--max-shard-size", $"{LayerBytes}");
        Assert.True(Directory.GetFiles(folder["out"], "model_state-*").Length >= Layers);
        Assert.True(large - small < 2 * LayerBytes, $"{(large - small) >> 20} MiB more than without weights; two shards are {(2 * LayerBytes) >> 20} MiB");
    }

    [SkippableFact]
    public void Killed_LeavesNoHalfFolder_AndTheNextRunCleansUp()
    {
        Skip.IfNot(OperatingSystem.IsLinux(), "the moment to kill is found by its folder");
        using var folder = Data.Temporary();
        Create(folder["in"]);
        using (var process = Start("convert", folder["in"], folder["out"], "--to", "paddle", "--format", "pdparams"))
        {
            var partial = folder["out.partial"];
            while (!process.HasExited && !(Directory.Exists(partial) && Directory.EnumerateFiles(partial).Any()))
                Thread.Sleep(1);
            process.Kill();
            process.WaitForExit();
        }

        Assert.False(Directory.Exists(folder["out"]));
        Assert.True(Directory.Exists(folder["out.partial"]));
        using (var process = Start("convert", folder["in"], folder["out"]))
            process.WaitForExit();
        Assert.Equal(Tensors.Of(folder["in"]), Tensors.Of(folder["out"]));
        Assert.Equal(["in", "out"], Directory.EnumerateFileSystemEntries(folder.Path).Select(Path.GetFileName).Order());
    }

    /// <summary>A LLaMA of random bfloat16 weights, a file for each layer.</summary>
    private static void Create(string folder)
    {
        Directory.CreateDirectory(folder);
        File.WriteAllText(Path.Combine(folder, "config.json"), $$"""
            {"model_type": "llama", "vocab_size": {{Vocabulary}}, "hidden_size": {{Hidden}}, "num_hidden_layers": {{Layers}}, "num_attention_heads": 8, "intermediate_size": {{Ffn}}, "torch_dtype": "bfloat16"}
            """);
        var tensors = new List<TensorInfo> { new("model.embed_tokens.weight", DType.BF16, Vocabulary, Hidden), new("model.norm.weight", DType.BF16, Hidden), new("lm_head.weight", DType.BF16, Vocabulary, Hidden) };
        for (var layer = 0; layer < Layers; layer++)
        {
            tensors.AddRange(new[] { "q", "k", "v", "o" }.Select(name => new TensorInfo($"model.layers.{layer}.self_attn.{name}_proj.weight", DType.BF16, Hidden, Hidden)));
            tensors.AddRange(new[] { "gate", "up" }.Select(name => new TensorInfo($"model.layers.{layer}.mlp.{name}_proj.weight", DType.BF16, Ffn, Hidden)));
            tensors.Add(new TensorInfo($"model.layers.{layer}.mlp.down_proj.weight", DType.BF16, Hidden, Ffn));
            tensors.AddRange(new[] { "input_layernorm", "post_attention_layernorm" }.Select(name => new TensorInfo($"model.layers.{layer}.{name}.weight", DType.BF16, Hidden)));
        }

        var random = new Random(1);
        using var writer = CheckpointWriter.Create(folder, tensors, new CheckpointWriteOptions { MaxShardBytes = LayerBytes });
        foreach (var tensor in tensors)
        {
            var bytes = new byte[tensor.ByteCount];
            random.NextBytes(bytes);
            writer.Append(tensor.Name, bytes);
        }

        writer.Complete();
    }

    private static Process Start(params string[] arguments)
    {
        var start = new ProcessStartInfo(Environment.GetEnvironmentVariable("DOTNET_HOST_PATH") ?? "dotnet") { RedirectStandardOutput = true, RedirectStandardError = true };
        start.ArgumentList.Add(Path.Combine(AppContext.BaseDirectory, "generated.dll"));
        foreach (var argument in arguments)
            start.ArgumentList.Add(argument);
        return Process.Start(start)!;
    }

    /// <summary>The largest resident set of a command.</summary>
    private static long Peak(params string[] arguments)
    {
        using var process = Start(arguments);
        long peak = 0;
        while (!process.HasExited)
        {
            try
            {
                var line = File.ReadLines($"/proc/{process.Id}/status").FirstOrDefault(l => l.StartsWith("VmHWM:", StringComparison.Ordinal));
                if (line is not null)
                    peak = Math.Max(peak, long.Parse(line.AsSpan(6).Trim(" \tkB"), CultureInfo.InvariantCulture) << 10);
            }
            catch (IOException)
            {
                // The process has just ended.
            }

            Thread.Sleep(5);
        }

        Assert.True(process.ExitCode == 0, process.StandardError.ReadToEnd());
        return peak;
    }
}
