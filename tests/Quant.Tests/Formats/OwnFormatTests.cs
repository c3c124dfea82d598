using System.Text.Json.Nodes;
using Generated;
using Generated.Architectures;
using Generated.Checkpoints;
using Generated.Layers;
using Generated.Loading;
using Generated.Parallel;
using Generated.Passes;
using Generated.Quant.Formats;
using Generated.Quant.Layers;
using Generated.Quant.Recipes;
using Generated.Tokenization;
using TorchSharp;
using static TorchSharp.torch;

namespace Quant.Tests.Formats;

/// <summary>What is written is what is read: the same model to the last bit, complete, of the size of its bits.</summary>
public sealed class OwnFormatTests
{
    private static readonly Dictionary<string, SampleOptions> Kinds = new()
    {
        ["w8"] = new(),
        ["w4 groups"] = new() { Bits = 4, GroupSize = 32, Symmetric = false, ActOrder = true },
        ["w8a8 static, shift and smooth everywhere"] = new() { Activations = ActivationGranularity.Tensor, Transforms = true, Biases = true },
        ["w8a8 per token, kv8"] = new() { Activations = ActivationGranularity.Token, KvCache = true },
        ["embedding int8"] = new() { Embedding = new EmbeddingFormat() },
    };

    public static TheoryData<string, string> Cases()
    {
        var data = new TheoryData<string, string>();
        foreach (var kind in Kinds.Keys)
            data.Add("llama2-gqa", kind);
        foreach (var fixture in new[] { "gpt", "bloom", "opt-postln", "chatglm2", "qwen", "baichuan-13b", "glm" })
            data.Add(fixture, "w8a8 static, shift and smooth everywhere");
        foreach (var fixture in new[] { "gpt", "chatglm", "baichuan2-7b" })
            data.Add(fixture, "w4 groups");
        return data;
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void WhatIsReadBack_IsTheModelThatWasWritten(string fixture, string kind)
    {
        using var folders = new Folders();
        using var sample = new QuantizedSample(fixture, Kinds[kind]);
        sample.Write(folders["q"]);
        // The sample keeps its dense embedding: what codes do is compared on the loaded side.
        using var loaded = ModelLoader.Load(folders["q"], new LoadOptions { Dtype = ScalarType.Float32 });
        Assert.Equal(sample.States.Count, loaded.Model.Linears().Count(l => l.Linear is QuantizedLinear));
        Assert.Equal(sample.Model.Linears().Count(l => l.Linear is TransformedLinear), loaded.Model.Linears().Count(l => l.Linear is TransformedLinear));
        if (sample.Embedding is { } embedding)
            sample.Model.Weights().Select(w => w.Layer).OfType<Embedding>().First().Replace(Table(embedding));
        var (expected, actual) = (QuantizedSample.Logits(sample.Model, fixture), QuantizedSample.Logits(loaded.Model, fixture));
        Assert.Equal(expected.Full, actual.Full);
        Assert.Equal(expected.Steps, actual.Steps);
    }

    private static QuantizedEmbeddingTable Table(EmbeddingState state) => new(
        tensor(state.Codes).view(state.Rows, state.Width).to(state.Format.Bits == 8 ? ScalarType.Int8 : ScalarType.Int16), tensor(state.Scales).view(-1, 1), state.Format.Spacing, ScalarType.Float32);

    [Theory]
    [InlineData(8, EmbeddingSpacing.AbsMax, false, 0.006)]
    [InlineData(8, EmbeddingSpacing.AbsMax, true, 0.02)]
    [InlineData(16, EmbeddingSpacing.AbsMax, false, 2e-5)]
    [InlineData(8, EmbeddingSpacing.Log, false, 0.05)]
    [InlineData(16, EmbeddingSpacing.Log, false, 2e-4)]
    public void EmbeddingCodes_StandForTheMatrix(int bits, EmbeddingSpacing spacing, bool tiedHead, double tolerance)
    {
        using var folders = new Folders();
        using var sample = new QuantizedSample("bloom", new SampleOptions { Quantizes = _ => false, Embedding = new EmbeddingFormat { Bits = bits, Spacing = spacing, TiedHead = tiedHead } });
        sample.Write(folders["q"]);
        using var loaded = QuantizedLoader.Load(folders["q"], new LoadOptions { Dtype = ScalarType.Float32 });
        Assert.Equal(tiedHead, loaded.Model.Linears().Any(l => l.Linear is QuantizedLinear));
        var embedding = loaded.Model.Weights().Select(w => w.Layer).OfType<Embedding>().First();
        var original = sample.Model.Weights().Select(w => w.Layer).OfType<Embedding>().First();
        using var scope = NewDisposeScope();
        using var pass = new PassContext(loaded.Model.Inputs.Prompt(new TokenBatch(1, 3, [0, 7, 300])));
        var ids = tensor(new long[] { 0, 7, 300 }).view(1, 3);
        Layers.QuantizedLinearTests.Close(original.Apply(ids, pass), embedding.Apply(ids, pass), tolerance, "rows");
        var (expected, actual) = (QuantizedSample.Logits(sample.Model, "bloom").Full, QuantizedSample.Logits(loaded.Model, "bloom").Full);
        Assert.True(Error(expected, actual) < Math.Max(10 * tolerance, 1e-4), $"logits differ by {Error(expected, actual)}");
        if (tiedHead) // one matrix serves both
            Assert.Equal(((QuantizedLinear)loaded.Model.Linears().First(l => l.Linear is QuantizedLinear).Linear).Bytes, embedding.Table!.Bytes);
        else
            Assert.Equal(bits / 8 * original.Count * original.Width + 4 * original.Count, embedding.Table!.Bytes);

        static double Error(float[] a, float[] b) => a.Zip(b, (x, y) => Math.Abs(x - y)).Max() / a.Max(Math.Abs);
    }

    [Theory]
    [InlineData("w8")]
    [InlineData("w8a8 static, shift and smooth everywhere")]
    [InlineData("w8a8 per token, kv8")]
    [InlineData("embedding int8")]
    public void TwoRanks_LoadTheirPartsAndGiveWhatOneGives(string kind)
    {
        using var folders = new Folders();
        using var sample = new QuantizedSample("llama2-gqa", Kinds[kind]);
        sample.Write(folders["q"]);
        using var whole = ModelLoader.Load(folders["q"], new LoadOptions { Dtype = ScalarType.Float32 });
        var expected = QuantizedSample.Logits(whole.Model, "llama2-gqa");
        var bytes = Bytes(whole.Model);
        ThreadCollective.Run(2, group =>
        {
            using var part = ModelLoader.Load(folders["q"], new LoadOptions { Dtype = ScalarType.Float32, TensorParallel = group });
            Assert.InRange(Bytes(part.Model), bytes * 0.4, bytes * 0.6);
            var actual = QuantizedSample.Logits(part.Model, "llama2-gqa");
            Close(expected.Full, actual.Full);
            Close(expected.Steps, actual.Steps);
        });

        static long Bytes(CausalModel model) => model.Linears().Select(l => l.Linear).OfType<QuantizedLinear>().Sum(l => l.Bytes);

        static void Close(float[] a, float[] b) => Assert.All(a.Zip(b), pair => Assert.True(Math.Abs(pair.First - pair.Second) < 2e-3 * (1 + Math.Abs(pair.First)), $"{pair.First} and {pair.Second}"));
    }

    [Fact]
    public void Defect8_Gptq_SavesIntegersScalesZerosAndGroups_NotFloats()
    {
        using var folders = new Folders();
        using var sample = new QuantizedSample("llama", Kinds["w4 groups"]);
        sample.Write(folders["q"]);
        using var file = Checkpoint.Open(folders["q"]);
        foreach (var ((block, path), state) in sample.States)
        {
            var name = ModelNames.At(sample.Model.Structure.Linear(path).Name, block);
            Assert.False(file.Tensors.ContainsKey(name + ".weight"));
            Assert.Equal(DType.U8, file.Tensors[name + ".qweight"].DType);
            Assert.Equal(state.Scales(), PackedParts.Values<Half>(file, name + ".scales").Select(h => (float)h));
            Assert.Equal(state.Weight.Zeros, PackedParts.Values<byte>(file, name + ".zeros"));
        }
    }

    [Fact]
    public void Defect9_ActOrderGroups_KeepTheirIndex()
    {
        using var folders = new Folders();
        using var sample = new QuantizedSample("llama", Kinds["w4 groups"]);
        sample.Write(folders["q"]);
        using var file = Checkpoint.Open(folders["q"]);
        using var loaded = ModelLoader.Load(folders["q"], new LoadOptions { Dtype = ScalarType.Float32 });
        foreach (var ((block, path), state) in sample.States)
        {
            Assert.Equal(state.Weight.GroupIndex, PackedParts.Values<int>(file, ModelNames.At(sample.Model.Structure.Linear(path).Name, block) + ".g_idx"));
            using var dequantized = ((QuantizedLinear)loaded.Model.Linear(path, block).Linear).Dequantize();
            Assert.Equal(state.Weight.Dequantize(), dequantized.data<float>().ToArray());
        }
    }

    [Fact]
    public void Defect13_BitsOfWeightsInputsAndCache_AreThoseThatWereWritten()
    {
        using var folders = new Folders();
        var options = new SampleOptions { Bits = 4, GroupSize = 32, Activations = ActivationGranularity.Token, KvCache = true, Quantizes = slot => slot.Path.EndsWith(".Down", StringComparison.Ordinal) };
        using (var sample = new QuantizedSample("llama", options))
            sample.Write(folders["w4a8kv8"]);
        using (var sample = new QuantizedSample("llama", new SampleOptions()))
            sample.Write(folders["w8"]);
        using var four = ModelLoader.Load(folders["w4a8kv8"]);
        var quantized = four.Model.Linears().Where(l => l.Linear is QuantizedLinear).ToList();
        Assert.Equal(four.Model.AllBlocks.Count, quantized.Count); // what was to be kept is kept, and nothing else
        Assert.All(quantized, l => Assert.EndsWith(".Down", l.Path, StringComparison.Ordinal));
        Assert.All(quantized, l => Assert.Equal((4, 32, true), (((QuantizedLinear)l.Linear).Bits, ((QuantizedLinear)l.Linear).GroupSize, ((QuantizedLinear)l.Linear).HasIntegerInput)));
        Assert.All(four.Model.Context.Attentions, a => Assert.NotNull(a.KvScales));
        using var eight = ModelLoader.Load(folders["w8"]);
        Assert.All(eight.Model.Linears().Select(l => l.Linear).OfType<QuantizedLinear>(), l => Assert.Equal((8, false), (l.Bits, l.HasIntegerInput)));
        Assert.All(eight.Model.Context.Attentions, a => Assert.Null(a.KvScales));
    }

    [Fact]
    public void Defect14_LoadingNeedsTheFolderAlone()
    {
        using var folders = new Folders();
        float[] expected;
        using (var sample = new QuantizedSample("llama2-gqa", Kinds["w8a8 static, shift and smooth everywhere"]))
        {
            sample.Write(folders["q"]);
            expected = QuantizedSample.Logits(sample.Model, "llama2-gqa").Full;
        }

        Directory.Move(folders["q"], folders["elsewhere"]);
        using var loaded = QuantizedLoader.Load(folders["elsewhere"], new LoadOptions { Dtype = ScalarType.Float32 });
        Assert.Equal(expected, QuantizedSample.Logits(loaded.Model, "llama2-gqa").Full);
        var described = JsonNode.Parse(File.ReadAllText(Path.Combine(folders["elsewhere"], "config.json")))!["quantization_config"]!;
        Assert.Equal("generated", (string?)described["quant_method"]);
        Assert.Equal("sample", (string?)described["recipe_name"]);
        Assert.Equal(64, ((string?)described["recipe_hash"])!.Length);
        Assert.Equal("none", (string?)described["calibration_hash"]);
        Assert.NotNull((string?)described["library_version"]);
    }

    [Fact]
    public void LaterVersion_IsRefusedWithTheVersionThatWroteIt()
    {
        using var folders = new Folders();
        using (var sample = new QuantizedSample("llama", new SampleOptions()))
            sample.Write(folders["q"]);
        Edit(folders["q"], config => (config["format_version"], config["library_version"]) = (7, "3.1.0"));
        var refusal = Assert.Throws<InvalidInputException>(() => ModelLoader.Load(folders["q"]));
        Assert.Contains("version 7", refusal.Message);
        Assert.Contains("Generated 3.1.0", refusal.Message);
        Edit(folders["q"], config => config["quant_method"] = "awesome");
        Assert.Contains("'awesome' is not known", Assert.Throws<InvalidInputException>(() => ModelLoader.Load(folders["q"])).Message);
    }

    [Fact]
    public void MissingLeftOverAndMisshapedTensors_AreOneError()
    {
        using var folders = new Folders();
        using (var sample = new QuantizedSample("llama", Kinds["w8a8 static, shift and smooth everywhere"]))
            sample.Write(folders["q"]);
        var info = ModelLoader.CheckWeights(folders["q"]);
        Assert.Equal(4, info.Files);
        Edit(folders["q"], config =>
        {
            Quantized(config)["zeros"] = true;
            Quantized(config)["input_shift"] = false;
            config["norm_biases"]!.AsArray().RemoveAt(0);
        });
        var refusal = Assert.Throws<InvalidInputException>(() => ModelLoader.Load(folders["q"]));
        Assert.Contains("it lacks", refusal.Message);
        Assert.Contains(".zeros'", refusal.Message);
        Assert.Contains("does not know", refusal.Message);
        Assert.Contains(".input_shift'", refusal.Message);
        Assert.Contains("layernorm.bias'", refusal.Message);
        Edit(folders["q"], config => Quantized(config)["bits"] = 4);
        Assert.Contains("of another shape", Assert.Throws<InvalidInputException>(() => ModelLoader.CheckWeights(folders["q"])).Message);
        Edit(folders["q"], config => Quantized(config)["modules"]![0] = "model.layers.0.self_attn.x_proj");
        Assert.Contains("x_proj", Assert.Throws<InvalidInputException>(() => ModelLoader.CheckWeights(folders["q"])).Message);
    }

    [Fact]
    public void TokenizerAndUnknownKeys_ComeAlong()
    {
        using var folders = new Folders();
        Directory.CreateDirectory(folders["src"]);
        foreach (var file in Directory.EnumerateFiles(Folders.Fixture("llama")))
            File.Copy(file, Path.Combine(folders["src"], Path.GetFileName(file)));
        File.WriteAllText(Path.Combine(folders["src"], "tokenizer_config.json"), "{\"marker\":1}");
        using var sample = new QuantizedSample("llama", new SampleOptions());
        var plan = sample.Plan(folders["q"]) with { Source = folders["src"] };
        using (var writer = QuantizedCheckpointWriter.Begin(plan))
        {
            for (var part = -1; part < sample.Model.AllBlocks.Count; part++)
                sample.WritePart(writer, part);
            writer.Complete();
        }

        Assert.Equal("{\"marker\":1}", File.ReadAllText(Path.Combine(folders["q"], "tokenizer_config.json")));
        var (before, after) = (JsonNode.Parse(File.ReadAllText(Path.Combine(folders["src"], "config.json")))!.AsObject(), JsonNode.Parse(File.ReadAllText(Path.Combine(folders["q"], "config.json")))!.AsObject());
        Assert.All(before.Where(p => p.Value is not null), p => Assert.Equal(p.Value!.ToJsonString(), after[p.Key]?.ToJsonString()));
    }

    private static JsonNode Quantized(JsonObject config) => config["linears"]!.AsArray().First(l => l!["bits"] is not null)!;

    private static void Edit(string folder, Action<JsonObject> change)
    {
        var path = Path.Combine(folder, "config.json");
        var config = JsonNode.Parse(File.ReadAllText(path))!.AsObject();
        change(config["quantization_config"]!.AsObject());
        File.WriteAllText(path, config.ToJsonString());
    }
}

internal static class States
{
    public static IEnumerable<float> Scales(this LinearState state) => state.Weight.Scales;
}
