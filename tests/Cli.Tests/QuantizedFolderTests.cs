using Generated.Architectures;
using Generated.Layers;
using Generated.Loading;
using Generated.Quant.Formats;
using Generated.Quant.Layers;
using Generated.Quant.Recipes;
using Generated.Quant.Weights;
using TorchSharp;

namespace Cli.Tests;

/// <summary>Every command takes a folder of packed weights as it takes one of floats.</summary>
public sealed class QuantizedFolderTests
{
    [Fact]
    public async Task Commands_TakeQuantizedFolders_AndTheirExports()
    {
        using var folder = Data.Temporary();
        Quantize(Data.Fixture("llama"), folder["q"]);
        (await Run.Of("convert", folder["q"], folder["gptq"], "--format", "gptq")).Ok();
        (await Run.Of("convert", folder["q"], folder["awq"], "--format", "awq")).Refused(2, "4 bits only");
        foreach (var name in new[] { "q", "gptq" })
        {
            Assert.Contains("complete: ", (await Run.Of("inspect", folder[name])).Ok().Output);
            var ids = (await Run.Of("generate", folder[name], "--ids", "5,17,200", "-n", "4", "--ignore-eos", "--json")).Ok().Json.Single();
            Assert.Equal(4, ids.GetProperty("ids").GetArrayLength());
            // 8 bits rounded to nearest are near the recorded outputs, and not equal to them.
            Assert.Equal(1, (await Run.Of("verify", folder[name], "--golden", Data.Fixture("llama", "golden.safetensors"))).Code);
            (await Run.Of("bench", folder[name], "--prompt", "8", "--tokens", "2", "--rounds", "1", "--json")).Ok();
        }

        (await Run.Of("convert", folder["q"], folder["bf16"], "--dtype", "bfloat16")).Refused(2, "quantized already");
        (await Run.Of("convert", Data.Fixture("llama"), folder["other"], "--format", "gptq")).Refused(2, "quantize it first");
    }

    [Theory]
    [InlineData("8", "int8")]
    [InlineData("4", "int4")]
    public async Task Bench_Bits_MeasuresBothInOneRun(string bits, string weights)
    {
        var row = (await Run.Of("bench", Data.Fixture("llama2-gqa"), "--bits", bits, "--prompt", "20", "--tokens", "2", "--rounds", "1", "--group-size", "32", "--check", "--json")).Ok().Json.Single();
        var quantized = row.GetProperty("quantized");
        Assert.Equal(weights, quantized.GetProperty("weights").GetString());
        Assert.True(quantized.GetProperty("weight_bytes").GetDouble() < row.GetProperty("weight_bytes").GetDouble() / 2);
        Assert.True(row.GetProperty("decode_ratio").GetDouble() > 0);
        (await Run.Of("bench", Data.Fixture("llama2-gqa"), "--bits", "3")).Refused(2, "--bits is 3");
    }

    private static void Quantize(string source, string target)
    {
        using var loaded = ModelLoader.Load(source, new LoadOptions { Dtype = torch.ScalarType.Float32 });
        var model = loaded.Model;
        using var writer = QuantizedCheckpointWriter.Begin(new QuantizedCheckpointPlan
        {
            Target = target,
            Source = source,
            Architecture = loaded.Architecture,
            Config = model.Config,
            Blocks = model.AllBlocks.Count,
            DenseType = _ => torch.ScalarType.Float32,
            Recipe = new QuantRecipe(),
            Fingerprint = "",
        });
        writer.WriteEnds(model, new Dictionary<string, LinearState>());
        foreach (var block in model.AllBlocks)
            writer.WriteBlock(block, [null], block.LinearSites.ToDictionary(site => site.Path, site => Round((DenseLinear)site.Get(block)!)));
        writer.Complete();
    }

    private static LinearState Round(DenseLinear linear)
    {
        var weight = linear.Weight.Value.data<float>().ToArray();
        var scales = new float[linear.OutWidth];
        var codes = new byte[weight.Length];
        for (var o = 0; o < linear.OutWidth; o++)
        {
            var row = weight.AsSpan(o * linear.InWidth, linear.InWidth);
            foreach (var value in row)
                scales[o] = Math.Max(scales[o], Math.Abs(value) / 127);
            for (var k = 0; k < row.Length; k++)
                codes[o * linear.InWidth + k] = (byte)(128 + MathF.Round(row[k] / scales[o]));
        }

        return new LinearState { Weight = new QuantizedWeight(linear.OutWidth, linear.InWidth, 8, 0, codes, scales) };
    }
}
