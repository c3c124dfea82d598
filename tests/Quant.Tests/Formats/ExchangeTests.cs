using System.Text.Json.Nodes;
using Generated;
using Generated.Checkpoints;
using Generated.Checkpoints.Writing;
using Generated.Loading;
using Generated.Quant.Formats;
using Generated.Quant.Formats.Exchange;
using Generated.Quant.Layers;
using Generated.Quant.Recipes;
using static TorchSharp.torch;

namespace Quant.Tests.Formats;

/// <summary>Files in the layouts of AutoGPTQ and AutoAWQ mean, to a reader written here from what those publish, what was quantized.</summary>
public sealed class ExchangeTests
{
    private static readonly Dictionary<string, SampleOptions> Kinds = new()
    {
        ["groups, asymmetric"] = new() { Bits = 4, GroupSize = 32, Symmetric = false },
        ["groups, zeros of 0"] = new() { Bits = 4, GroupSize = 32, Symmetric = false, OneSided = true },
        ["8 bits, zeros of 0"] = new() { Bits = 8, GroupSize = 32, Symmetric = false, OneSided = true },
        ["groups, act-order"] = new() { Bits = 4, GroupSize = 32, Symmetric = false, ActOrder = true },
        ["per channel, symmetric"] = new() { Bits = 4 },
        ["8 bits in groups"] = new() { Bits = 8, GroupSize = 64, Symmetric = false },
        ["8 bits, symmetric"] = new() { Bits = 8 },
    };

    [Theory]
    [InlineData("llama", "gptq", "groups, asymmetric")]
    [InlineData("llama", "gptq", "groups, zeros of 0")]
    [InlineData("llama", "gptq", "8 bits, zeros of 0")]
    [InlineData("llama", "awq", "groups, zeros of 0")]
    [InlineData("llama", "gptq", "groups, act-order")]
    [InlineData("qwen2", "gptq", "per channel, symmetric")]
    [InlineData("llama", "gptq", "8 bits in groups")]
    [InlineData("qwen2", "gptq", "8 bits, symmetric")]
    [InlineData("qwen", "gptq", "groups, asymmetric")]
    [InlineData("qwen", "gptq", "8 bits, symmetric")]
    [InlineData("llama", "awq", "groups, asymmetric")]
    [InlineData("qwen2", "awq", "per channel, symmetric")]
    public void ExportedWeights_AreThoseThatWereQuantized(string fixture, string layout, string kind)
    {
        using var folders = new Folders();
        using var sample = new QuantizedSample(fixture, Kinds[kind] with { Quantizes = slot => slot.Block >= 0 });
        sample.Write(folders["own"]);
        QuantizedExport.Write(folders["own"], folders["out"], layout);
        var config = JsonNode.Parse(File.ReadAllText(Path.Combine(folders["out"], "config.json")))!["quantization_config"]!;
        Assert.Equal(layout, (string?)config["quant_method"]);
        Assert.Equal(Kinds[kind].Bits, (int)config["bits"]!);
        using (var file = Checkpoint.Open(folders["out"]))
        {
            foreach (var ((block, path), state) in sample.States)
            {
                var name = ModelNames.At(sample.Model.Structure.Linear(path).Name, block);
                var (outWidth, inWidth) = (state.Weight.OutWidth, state.Weight.InWidth);
                var actual = layout == "gptq" ? Gptq(file, name, config, outWidth, inWidth) : Awq(file, name, (int)config["group_size"]!, outWidth, inWidth);
                Assert.Equal(state.Weight.Dequantize(), actual);
                if (state.Bias is { } bias)
                    Assert.Equal(bias.Select(b => (float)(Half)b), PackedParts.Values<Half>(file, name + ".bias").Select(h => (float)h));
                Assert.False(file.Tensors.ContainsKey(name + ".weight"));
            }

            Assert.Equal(layout == "gptq", file.Tensors.Keys.Any(k => k.EndsWith(".g_idx", StringComparison.Ordinal)));
        }

        // Read back, it is the same model, but for biases in float16.
        using var loaded = ModelLoader.Load(folders["out"], new LoadOptions { Dtype = ScalarType.Float32 });
        foreach (var ((block, path), state) in sample.States)
        {
            using var dequantized = ((QuantizedLinear)loaded.Model.Linear(path, block).Linear).Dequantize();
            Assert.Equal(state.Weight.Dequantize(), dequantized.data<float>().ToArray());
        }

        var (expected, logits) = (QuantizedSample.Logits(sample.Model, fixture).Steps, QuantizedSample.Logits(loaded.Model, fixture).Steps);
        Assert.All(expected.Zip(logits), pair => Assert.Equal(pair.First, pair.Second, 2e-3));
    }

    /// <summary>
    /// The first version stores a zero point less one, which for 0 has no code (AutoGPTQ's packer then overwrites the word's other zero
    /// points); one such point makes the whole file the second version, which stores them as they are.
    /// </summary>
    [Theory]
    [InlineData("groups, asymmetric", "gptq", 1)]
    [InlineData("groups, zeros of 0", "gptq_v2", 0)]
    [InlineData("8 bits in groups", "gptq", 1)]
    [InlineData("8 bits, zeros of 0", "gptq_v2", 0)]
    [InlineData("per channel, symmetric", "gptq", 1)]
    public void StoredZeroPoints_AreLessOne_InTheFirstVersionOnly(string kind, string version, int less)
    {
        using var folders = new Folders();
        using var sample = new QuantizedSample("llama", Kinds[kind]);
        sample.Write(folders["own"]);
        QuantizedExport.Write(folders["own"], folders["out"], "gptq");
        Assert.Equal(version, (string?)Read(folders["out"]).Config["quantization_config"]!["checkpoint_format"]);
        using var file = Checkpoint.Open(folders["out"]);
        foreach (var ((block, path), state) in sample.States)
        {
            var (weight, perWord) = (state.Weight, 32 / state.Weight.Bits);
            var words = PackedParts.Values<uint>(file, ModelNames.At(sample.Model.Structure.Linear(path).Name, block) + ".qzeros");
            Assert.Equal(weight.Groups * weight.OutWidth / perWord, words.Length);
            for (var g = 0; g < weight.Groups; g++)
                for (var o = 0; o < weight.OutWidth; o++)
                {
                    var stored = words[(g * weight.OutWidth + o) / perWord] >> (o % perWord * weight.Bits) & ((1u << weight.Bits) - 1);
                    var zero = weight.Zeros is { } zeros ? zeros[o * weight.Groups + g] : 1 << (weight.Bits - 1);
                    Assert.Equal(zero - less, (int)stored);
                }
        }

        Assert.Equal(less == 0, sample.States.Values.Any(state => state.Weight.Zeros?.Contains((byte)0) == true));
    }

    [Fact]
    public void TheSameWords_MeanOneLess_InTheSecondVersion()
    {
        using var folders = new Folders();
        using (var sample = new QuantizedSample("llama", Kinds["groups, asymmetric"]))
            sample.Write(folders["own"]);
        QuantizedExport.Write(folders["own"], folders["v1"], "gptq");
        var (config, tensors) = Read(folders["v1"]);
        Assert.Equal("gptq", (string?)config["quantization_config"]!["checkpoint_format"]);

        // The same words under the second version's name mean zero points that are one less.
        config["quantization_config"]!["checkpoint_format"] = "gptq_v2";
        Directory.CreateDirectory(folders["v2"]);
        File.WriteAllText(Path.Combine(folders["v2"], "config.json"), config.ToJsonString());
        File.Copy(tensors, Path.Combine(folders["v2"], "model.safetensors"));
        using var first = ModelLoader.Load(folders["v1"], new LoadOptions { Dtype = ScalarType.Float32 });
        using var second = ModelLoader.Load(folders["v2"], new LoadOptions { Dtype = ScalarType.Float32 });
        using var scope = NewDisposeScope();
        var slot = first.Model.Linears().First(l => l.Block == 1);
        var difference = ((QuantizedLinear)second.Model.Linear(slot.Path, 1).Linear).Dequantize() - ((QuantizedLinear)slot.Linear).Dequantize();
        using var file = Checkpoint.Open(folders["own"]);
        var scales = PackedParts.Values<Half>(file, ModelNames.At(first.Model.Structure.Linear(slot.Path).Name, 1) + ".scales").Select(h => (double)h);
        Assert.Equal(scales.Sum() * 32, difference.sum().item<float>(), 1e-2);
    }

    [Theory]
    [InlineData("awq", "act-order", "groups, act-order")]
    [InlineData("awq", "4 bits only", "8 bits, symmetric")]
    public void WhatAwqLacks_IsRefusedWithTheReason(string layout, string reason, string kind) => Refused(layout, reason, Kinds[kind]);

    [Theory]
    [InlineData("gptq")]
    [InlineData("awq")]
    public void WhatBothLack_IsRefusedWithTheReason(string layout)
    {
        Refused(layout, "an operation is inserted in front of it", Kinds["groups, asymmetric"] with { Transforms = true });
        Refused(layout, "a shift gave the norm a bias", Kinds["groups, asymmetric"] with { Biases = true });
        Refused(layout, "keys and values are kept in 8 bits", Kinds["groups, asymmetric"] with { KvCache = true });
        Refused(layout, "the embedding is quantized", Kinds["groups, asymmetric"] with { Embedding = new EmbeddingFormat() });
        Refused(layout, "its input is quantized too", Kinds["groups, asymmetric"] with { Activations = ActivationGranularity.Token });
    }

    /// <summary>As Qwen-7B-Chat-Int4 and -Int8 are published: keys of AutoGPTQ's first releases, without a version, and zeros as the bias of every linear.</summary>
    [Theory]
    [InlineData("per channel, symmetric")]
    [InlineData("8 bits, symmetric")]
    public void PublishedQwenFiles_AreRead(string kind)
    {
        using var folders = new Folders();
        using var sample = new QuantizedSample("qwen", Kinds[kind]);
        sample.Write(folders["own"]);
        QuantizedExport.Write(folders["own"], folders["out"], "gptq");
        var (config, tensors) = Read(folders["out"]);
        config["quantization_config"] = JsonNode.Parse($$"""
            {"bits": {{Kinds[kind].Bits}}, "group_size": -1, "damp_percent": 0.01, "desc_act": false, "static_groups": false, "sym": true, "true_sequential": true,
            "model_name_or_path": null, "model_file_base_name": "model", "quant_method": "gptq"}
            """);
        Directory.CreateDirectory(folders["published"]);
        File.WriteAllText(Path.Combine(folders["published"], "config.json"), config.ToJsonString());
        using (var file = Checkpoint.Open(tensors))
        {
            var biases = file.Tensors.Values.Where(info => info.Name.EndsWith(".scales", StringComparison.Ordinal))
                .Select(info => new TensorInfo(info.Name.Replace(".scales", ".bias", StringComparison.Ordinal), DType.F16, info.Shape[1]))
                .Where(info => !file.Tensors.ContainsKey(info.Name)).ToList();
            Assert.Equal(4 * sample.Model.AllBlocks.Count, biases.Count); // all but the fused projection
            using var writer = CheckpointWriter.Create(folders["published"], [.. file.Tensors.Values, .. biases]);
            foreach (var name in file.Tensors.Keys)
                writer.Append(name, file.ReadBytes(name));
            biases.ForEach(info => writer.Append(info.Name, new byte[info.ByteCount]));
            writer.Complete();
        }

        using var exported = ModelLoader.Load(folders["out"], new LoadOptions { Dtype = ScalarType.Float32 });
        using var loaded = ModelLoader.Load(folders["published"], new LoadOptions { Dtype = ScalarType.Float32 });
        foreach (var ((block, path), state) in sample.States)
        {
            using var dequantized = ((QuantizedLinear)loaded.Model.Linear(path, block).Linear).Dequantize();
            Assert.Equal(state.Weight.Dequantize(), dequantized.data<float>().ToArray());
        }

        Assert.Equal(QuantizedSample.Logits(exported.Model, "qwen").Steps, QuantizedSample.Logits(loaded.Model, "qwen").Steps);
    }

    [Fact]
    public void PlainCheckpoints_AreNotExported()
    {
        using var folders = new Folders();
        var refusal = Assert.Throws<InvalidInputException>(() => QuantizedExport.Write(Folders.Fixture("llama"), folders["out"], "gptq"));
        Assert.Contains("quantize it first", refusal.Message);
    }

    [Fact]
    public void DamagedFiles_AreRefusedByTensor()
    {
        using var folders = new Folders();
        using (var sample = new QuantizedSample("llama", Kinds["groups, act-order"]))
            sample.Write(folders["own"]);
        QuantizedExport.Write(folders["own"], folders["out"], "gptq");
        var (config, _) = Read(folders["out"]);
        config["quantization_config"]!["group_size"] = 64;
        File.WriteAllText(Path.Combine(folders["out"], "config.json"), config.ToJsonString());
        var refusal = Assert.Throws<InvalidInputException>(() => ModelLoader.Load(folders["out"]));
        Assert.Contains("of another shape", refusal.Message);
        Assert.Contains(".qzeros'", refusal.Message);
        config["quantization_config"]!["bits"] = 3;
        File.WriteAllText(Path.Combine(folders["out"], "config.json"), config.ToJsonString());
        Assert.Contains("neither 4 nor 8", Assert.Throws<InvalidInputException>(() => ModelLoader.Load(folders["out"])).Message);
    }

    [Theory]
    [InlineData("gptq", "checkpoint_format", "marlin", "is neither 'gptq' nor 'gptq_v2'")]
    [InlineData("awq", "version", "gemv", "is not 'gemm'")]
    public void UnknownVariants_AreRefused(string layout, string key, string value, string reason)
    {
        using var folders = new Folders();
        using (var sample = new QuantizedSample("llama", Kinds["groups, asymmetric"]))
            sample.Write(folders["own"]);
        QuantizedExport.Write(folders["own"], folders["out"], layout);
        var (config, _) = Read(folders["out"]);
        config["quantization_config"]![key] = value;
        File.WriteAllText(Path.Combine(folders["out"], "config.json"), config.ToJsonString());
        var message = Assert.Throws<InvalidInputException>(() => ModelLoader.Load(folders["out"])).Message;
        Assert.Contains(key, message);
        Assert.Contains(reason, message);
    }

    private static void Refused(string layout, string reason, SampleOptions options)
    {
        using var folders = new Folders();
        using (var sample = new QuantizedSample("llama", options))
            sample.Write(folders["own"]);
        Assert.Contains(reason, Assert.Throws<InvalidInputException>(() => QuantizedExport.Write(folders["own"], folders["out"], layout)).Message);
        Assert.False(Directory.Exists(folders["out"]));
    }

    private static (JsonNode Config, string Tensors) Read(string folder) =>
        (JsonNode.Parse(File.ReadAllText(Path.Combine(folder, "config.json")))!, Path.Combine(folder, "model.safetensors"));

    /// <summary>AutoGPTQ, qlinear_cuda_old: weight = scales[g_idx] · (qweight − (qzeros + 1)), codes of consecutive inputs from the lowest bits on.</summary>
    private static float[] Gptq(ITensorSource file, string name, JsonNode config, int outWidth, int inWidth)
    {
        var bits = (int)config["bits"]!;
        var perWord = 32 / bits;
        int[] weights = PackedParts.Values<int>(file, name + ".qweight"), zeros = PackedParts.Values<int>(file, name + ".qzeros"), groups = PackedParts.Values<int>(file, name + ".g_idx");
        var scales = PackedParts.Values<Half>(file, name + ".scales");
        var plus = (string?)config["checkpoint_format"] == "gptq" ? 1 : 0;
        var result = new float[outWidth * inWidth];
        for (var i = 0; i < inWidth; i++)
            for (var o = 0; o < outWidth; o++)
            {
                var code = (weights[i / perWord * outWidth + o] >> (i % perWord * bits)) & ((1 << bits) - 1);
                var zero = ((zeros[groups[i] * (outWidth / perWord) + o / perWord] >> (o % perWord * bits)) & ((1 << bits) - 1)) + plus;
                result[o * inWidth + i] = (code - zero) * (float)scales[groups[i] * outWidth + o];
            }

        return result;
    }

    /// <summary>AutoAWQ, packing_utils: unpack by shifts 0, 4, …, 28, then reorder by [0, 4, 1, 5, 2, 6, 3, 7].</summary>
    private static float[] Awq(ITensorSource file, string name, int groupSize, int outWidth, int inWidth)
    {
        int[] reverse = [0, 4, 1, 5, 2, 6, 3, 7];
        int[] weights = PackedParts.Values<int>(file, name + ".qweight"), zeros = PackedParts.Values<int>(file, name + ".qzeros");
        var scales = PackedParts.Values<Half>(file, name + ".scales");
        var size = groupSize < 0 ? inWidth : groupSize;
        var result = new float[outWidth * inWidth];
        for (var i = 0; i < inWidth; i++)
            for (var o = 0; o < outWidth; o++)
                result[o * inWidth + i] = (At(weights, i, o) - At(zeros, i / size, o)) * (float)scales[i / size * outWidth + o];
        return result;

        int At(int[] words, int row, int output)
        {
            var unpacked = Enumerable.Range(0, 8).Select(j => (words[row * (outWidth / 8) + output / 8] >> (4 * j)) & 15).ToArray();
            return unpacked[reverse[output % 8]];
        }
    }
}
