using Generated.Architectures;
using Generated.Configuration;
using Generated.Layers;
using Generated.Loading;
using Generated.Quant.Formats;
using Generated.Quant.Layers;
using Generated.Quant.Recipes;
using Generated.Quant.Weights;
using Generated.Tests;
using TorchSharp;
using static TorchSharp.torch;

namespace Quant.Tests.Formats;

/// <summary>Files, and the memory of what is loaded from them, have the size of the bits; loading needs no dense copy and leaves nothing behind.</summary>
[Collection(nameof(PackedMemoryTests))]
[CollectionDefinition(nameof(PackedMemoryTests), DisableParallelization = true)]
public sealed class PackedMemoryTests
{
    private const string Shape = """
        {"architectures":["LlamaForCausalLM"],"model_type":"llama","hidden_size":512,"intermediate_size":1408,"num_attention_heads":8,"num_key_value_heads":4,
        "num_hidden_layers":6,"vocab_size":300,"rms_norm_eps":1e-5,"max_position_embeddings":64,"tie_word_embeddings":false,"torch_dtype":"float32"}
        """;

    public PackedMemoryTests()
    {
        // What earlier tests left to finalizers must not be freed while these count.
        for (var i = 0; i < 3; i++)
        {
            GC.Collect();
            GC.WaitForPendingFinalizers();
        }
    }

    [SkippableFact]
    public void Loading_PeaksAtThePackedSize()
    {
        using var folders = new Folders();
        var dense = Write(folders);
        var size = Directory.GetFiles(folders["q"], "*.safetensors").Sum(file => new FileInfo(file).Length);
        Assert.InRange(size, dense / 8, dense / 6); // 4 bits and a 16-bit scale per 128 of 32, some norms, and a small vocabulary in floats
        QuantizedLoader.Load(folders["q"]).Dispose(); // kernels, registries
        var before = NativeHeap.BytesInUse();
        long peak = 0;
        using (QuantizedLoader.Load(folders["q"], new LoadOptions { Progress = new Sampler(() => peak = Math.Max(peak, NativeHeap.BytesInUse())) }))
        {
            var held = NativeHeap.BytesInUse() - before;
            Assert.InRange(held, size * 0.8, size * 1.15);
            Assert.InRange(peak - before, size * 0.8, size * 1.2); // in floats it would be 7 times as much
        }

        Assert.InRange(NativeHeap.BytesInUse() - before, long.MinValue, 16 << 20);
    }

    [SkippableFact]
    public void RepeatedLoads_LeaveMemoryFlat()
    {
        using var folders = new Folders();
        using (var sample = new QuantizedSample("llama2-gqa", new SampleOptions { Activations = ActivationGranularity.Tensor, Transforms = true, Biases = true, KvCache = true, Embedding = new EmbeddingFormat() }))
            sample.Write(folders["q"]);
        Load(3);
        var (bytes, tensors) = (NativeHeap.BytesInUse(), torch.Tensor.TotalCount);
        Load(300);
        Assert.Equal(tensors, torch.Tensor.TotalCount);
        Assert.InRange(NativeHeap.BytesInUse() - bytes, long.MinValue, 16 << 20); // 300 copies would be 51 MB; the runtime itself moves by a few
        Assert.Equal(0, NativeHeap.MappingsOf(folders["q"]));

        void Load(int count)
        {
            for (var i = 0; i < count; i++)
            {
                using var loaded = QuantizedLoader.Load(folders["q"]);
                QuantizedSample.Logits(loaded.Model, "llama2-gqa");
            }
        }
    }

    /// <summary>Writes a model of random codes. Returns the bytes of its weights in float32.</summary>
    private static long Write(Folders folders)
    {
        System.Runtime.CompilerServices.RuntimeHelpers.RunModuleConstructor(typeof(Generated.Models.Llama).Module.ModuleHandle);
        Directory.CreateDirectory(folders["src"]);
        File.WriteAllText(Path.Combine(folders["src"], "config.json"), Shape);
        var (architecture, config) = ModelLoader.ReadConfig(ConfigReader.Load(folders["src"]));
        using var model = architecture.Create(config, new BuildOptions { DeferMatrices = true });
        var states = new Dictionary<(int, string), LinearState>();
        foreach (var slot in model.Linears().Where(l => l.Block >= 0).ToList())
        {
            var (rows, columns) = (slot.Linear.OutWidth, slot.Linear.InWidth);
            var scales = new float[rows * (columns / 128)];
            Array.Fill(scales, 0.0078125f);
            states.Add((slot.Block, slot.Path), new LinearState { Weight = new QuantizedWeight(rows, columns, 4, 128, new byte[rows * columns], scales) });
            slot.Linear = QuantizedLinear.Create(slot.Linear, states[(slot.Block, slot.Path)]);
        }

        model.AllocateMatrices();
        using (no_grad())
            model.Parameters().ToList().ForEach(p => p.Value.fill_(1));
        var plan = new QuantizedCheckpointPlan
        {
            Target = folders["q"],
            Source = folders["src"],
            Architecture = architecture,
            Config = config,
            Blocks = model.AllBlocks.Count,
            DenseType = _ => ScalarType.Float32,
            Recipe = new QuantRecipe(),
            Fingerprint = "",
        };
        using var writer = QuantizedCheckpointWriter.Begin(plan);
        writer.WriteEnds(model, new Dictionary<string, LinearState>());
        foreach (var block in model.AllBlocks)
            writer.WriteBlock(block, [null], states.Where(s => s.Key.Item1 == block.Index).ToDictionary(s => s.Key.Item2, s => s.Value));
        writer.Complete();
        return model.ParameterCount * sizeof(float);
    }

    private sealed class Sampler(Action sample) : IProgress<double>
    {
        public void Report(double value) => sample();
    }
}
