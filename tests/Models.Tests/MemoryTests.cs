using Generated.Architectures;
using Generated.Checkpoints;
using Generated.Checkpoints.Writing;
using Generated.Configuration;
using Generated.Layers;
using Generated.Loading;
using Generated.Passes;
using Generated.Tests;
using TorchSharp;
using static TorchSharp.torch;

namespace Models.Tests;

/// <summary>Long runs leave native memory as it was: no tensor is left behind, and the process does not grow.</summary>
[Collection(nameof(MemoryTests))]
[CollectionDefinition(nameof(MemoryTests), DisableParallelization = true)]
public sealed class MemoryTests
{
    // The runtime itself (compiled code, handles) moves by a few MB either way.
    private const long AllowedGrowth = 12L << 20;

    static MemoryTests() => System.Runtime.CompilerServices.RuntimeHelpers.RunModuleConstructor(typeof(Generated.Models.Llama).Module.ModuleHandle);

    [SkippableFact]
    public void TenThousandDecodeSteps_LeaveNativeMemoryFlat()
    {
        using var loaded = ModelLoader.Load(Fixtures.Folder("llama"), new LoadOptions { Dtype = ScalarType.Float32 });
        Steps(500);
        var (tensors, bytes) = Now();
        Steps(10_000);
        var (tensorsAfter, bytesAfter) = Now();
        Assert.Equal(tensors, tensorsAfter);
        Assert.True(bytesAfter - bytes < AllowedGrowth, $"{(bytesAfter - bytes) >> 20} MiB more after 10,000 steps");

        void Steps(int count)
        {
            const int Sequence = 250;
            using var noGrad = no_grad();
            using var cache = loaded.Model.NewCache(1, Sequence + 4);
            using var next = ones([1, 1], ScalarType.Int64);
            for (var done = 0; done < count; done += Sequence)
            {
                var inputs = loaded.Model.Inputs.Prompt(new TokenBatch(1, 4, [1, 5, 9, 13]));
                using (var prompt = tensor(new long[] { 1, 5, 9, 13 }).view(1, 4))
                using (var pass = new PassContext(inputs, cache))
                    loaded.Model.Prefill(prompt, pass).Dispose();
                for (var i = 0; i < Sequence; i++)
                {
                    inputs = loaded.Model.Inputs.Continue(inputs);
                    using var pass = new PassContext(inputs, cache);
                    loaded.Model.Decode(next, pass).Dispose();
                }
            }
        }
    }

    [SkippableFact]
    public void AThousandLoads_LeaveNativeMemoryFlat()
    {
        Load(50);
        var (tensors, bytes) = Now();
        Load(1_000);
        var (tensorsAfter, bytesAfter) = Now();
        Assert.Equal(tensors, tensorsAfter);
        // 1,000 copies of the weights would be 730 MB.
        Assert.True(bytesAfter - bytes < AllowedGrowth, $"{(bytesAfter - bytes) >> 20} MiB more after 1,000 loads");

        static void Load(int count)
        {
            for (var i = 0; i < count; i++) ModelLoader.Load(Fixtures.Folder("llama")).Dispose();
        }
    }

    /// <summary>The file is read through a map into the weights' own places, converted and transposed on the way: no second copy is made.</summary>
    [SkippableTheory]
    [InlineData(CheckpointLayout.HuggingFace, CheckpointFormat.Safetensors, ScalarType.Float32)]
    [InlineData(CheckpointLayout.HuggingFace, CheckpointFormat.Safetensors, ScalarType.BFloat16)]
    [InlineData(CheckpointLayout.Paddle, CheckpointFormat.PaddlePickle, ScalarType.Float32)]
    public void Loading_PeaksAtTheModelsSize(CheckpointLayout layout, CheckpointFormat format, ScalarType stored)
    {
        using var folder = new TemporaryFolder();
        var size = WriteLlama(folder["model"], new SaveOptions { Layout = layout, Format = format, Dtype = stored });
        ModelLoader.Load(folder["model"], new LoadOptions { Dtype = ScalarType.Float32 }).Dispose();
        var before = NativeHeap.BytesInUse();
        var managed = GC.GetAllocatedBytesForCurrentThread();
        var (peak, samples) = (0L, 0);
        var progress = new Sampler(() => (peak, samples) = (Math.Max(peak, NativeHeap.BytesInUse()), samples + 1));
        using (ModelLoader.Load(folder["model"], new LoadOptions { Dtype = ScalarType.Float32, Progress = progress }))
        {
            Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - managed, 0, size / 10);
            // A second copy of anything large would be far above; the runtime itself takes a few MB at times.
            Assert.InRange(NativeHeap.BytesInUse() - before, size * 0.95, size + AllowedGrowth);
            Assert.InRange(peak - before, size * 0.95, size * 1.05 + AllowedGrowth);
            Assert.InRange(samples, 50, int.MaxValue);
        }

        Assert.InRange(NativeHeap.BytesInUse() - before, long.MinValue, AllowedGrowth);
        Assert.Equal(0, NativeHeap.MappingsOf(folder["model"]));
    }

    /// <summary>Writes a model of 18 million weights. Returns their bytes in float32.</summary>
    private static long WriteLlama(string folder, SaveOptions options)
    {
        var config = ConfigReader.Parse("""
            {"architectures":["LlamaForCausalLM"],"model_type":"llama","hidden_size":512,"intermediate_size":1408,"num_attention_heads":8,"num_key_value_heads":4,
            "num_hidden_layers":6,"vocab_size":300,"rms_norm_eps":1e-5,"max_position_embeddings":64,"tie_word_embeddings":false}
            """u8.ToArray(), "config.json");
        var (architecture, typed) = ModelLoader.ReadConfig(config);
        using var model = architecture.Create(typed, new BuildOptions { Dtype = ScalarType.Float32 });
        using (no_grad())
            model.Parameters().ToList().ForEach(parameter => parameter.Value.fill_(1));
        CheckpointSaver.Save(model, architecture, folder, options);
        return model.ParameterCount * sizeof(float);
    }

    private static (long Tensors, long Bytes) Now()
    {
        var bytes = NativeHeap.BytesInUse();
        return (torch.Tensor.TotalCount, bytes);
    }

    private sealed class Sampler(Action sample) : IProgress<double>
    {
        public void Report(double value) => sample();
    }
}
