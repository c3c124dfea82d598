using Generated.Checkpoints;
using Generated.Configuration;
using Generated.Layers;
using Generated.Passes;
using Runtime.Tests.Checkpoints;
using TorchSharp;
using static TorchSharp.torch;

namespace Runtime.Tests.Layers;

/// <summary>LLaMA wired by hand from these layers, against numbers that the original implementation recorded.</summary>
public sealed class LlamaFixtureTests
{
    private static (TinyDecoder Model, Checkpoint Golden) Load(string fixture, bool trainable = false)
    {
        var reader = ConfigReader.Load(Files.Fixture(fixture));
        var config = new TinyConfig
        {
            Vocab = reader.Size("vocab_size"),
            Hidden = reader.Size("hidden_size"),
            Layers = reader.Size("num_hidden_layers"),
            Heads = reader.Size("num_attention_heads"),
            KvHeads = reader.IntOr(reader.Size("num_attention_heads"), "num_key_value_heads"),
            HeadDim = reader.Size("hidden_size") / reader.Size("num_attention_heads"),
            Ffn = reader.Size("intermediate_size"),
            Epsilon = reader.Double("rms_norm_eps"),
        };
        var model = TinyDecoder.Create(config, new BuildOptions { Trainable = trainable });
        using var weights = Checkpoint.Open(Files.Fixture(fixture));
        Weights.Fill(model, weights);
        return (model, Checkpoint.Open(Files.Fixture(fixture, "golden.safetensors")));
    }

    private static TokenBatch Batch(Checkpoint golden)
    {
        using var ids = golden.Load("input_ids");
        using var mask = golden.Load("attention_mask");
        return new TokenBatch((int)ids.shape[0], (int)ids.shape[1], ids.data<long>().ToArray(), [.. mask.data<long>().ToArray().Select(m => m == 1)]);
    }

    [Theory]
    [InlineData("llama")]
    [InlineData("llama2-gqa")]
    [InlineData("llama-fp16")]
    [InlineData("llama-bf16-sharded")]
    public void FullAndEager_EqualTheOriginal(string fixture)
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        var (model, golden) = Load(fixture);
        using (model)
        using (golden)
        {
            var batch = Batch(golden);
            var ids = batch.ToTensor(CPU);
            var probe = new Recorder();
            using var pass = new PassContext(model.Inputs.Prompt(batch)) { Probe = probe };
            using var expectedPositions = golden.Load("position_ids");
            Assert.Equal(expectedPositions.data<long>().ToArray(), pass.Inputs.Positions);
            var real = golden.Load("attention_mask").unsqueeze(-1);
            var logits = golden.Load("logits");
            Weights.Close(logits * real, model.Full(ids, pass) * real, "logits");
            Weights.Close(logits * real, model.Eager(ids, pass) * real, "eager logits");
            for (var i = 0; i <= 3; i++)
                Weights.Close(golden.Load($"hidden.{i}") * real, probe.Values[$"hidden.{i}"] * real, $"hidden.{i}");
            Weights.Close(golden.Load("hidden.final_norm") * real, probe.Values["final_norm"] * real, "final norm");
        }
    }

    [Theory]
    [InlineData("llama")]
    [InlineData("llama2-gqa")]
    public void GreedyDecoding_GivesTheOriginalsTokens(string fixture)
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        var (model, golden) = Load(fixture);
        using (model)
        using (golden)
        {
            var batch = Batch(golden);
            using var expected = golden.Load("greedy_tokens.batch");
            Assert.Equal(expected.data<long>().ToArray(), Greedy(model, batch, 24));
            var single = new TokenBatch(1, batch.Length, [.. batch.Ids.Take(batch.Length)]);
            using var expectedSingle = golden.Load("greedy_tokens");
            Assert.Equal(expectedSingle.data<long>().ToArray(), Greedy(model, single, 24));
        }
    }

    [Theory]
    [InlineData("llama")]
    [InlineData("llama2-gqa")]
    public void LossAndGradients_EqualTheOriginals(string fixture)
    {
        using var scope = NewDisposeScope();
        var (model, golden) = Load(fixture, trainable: true);
        using (model)
        using (golden)
        {
            var batch = Batch(golden);
            var row = new TokenBatch(1, batch.Length, [.. batch.Ids.Take(batch.Length)]);
            var ids = row.ToTensor(CPU);
            using var pass = new PassContext(model.Inputs.Prompt(row)) { Training = true };
            var logits = model.Full(ids, pass);
            var loss = nn.functional.cross_entropy(logits[0].narrow(0, 0, row.Length - 1), ids[0].narrow(0, 1, row.Length - 1));
            Weights.Close(golden.Load("loss"), loss.view(1), "loss");
            loss.backward();
            var slots = model.Weights().ToDictionary(s => s.Name);
            foreach (var name in golden.Tensors.Keys.Where(k => k.StartsWith("grad.", StringComparison.Ordinal)))
                Weights.Close(golden.Load(name), slots[name["grad.".Length..]].Parameter!.Value.grad!, name);
        }
    }

    private static long[] Greedy(TinyDecoder model, TokenBatch batch, int count)
    {
        using var cache = model.NewCache(batch.Rows, batch.Length + count);
        var inputs = model.Inputs.Prompt(batch);
        var chosen = new List<long[]>();
        var ids = batch.ToTensor(CPU);
        for (var step = 0; step < count; step++)
        {
            using var pass = new PassContext(inputs, cache);
            using var logits = step == 0 ? model.Prefill(ids, pass) : model.Decode(ids, pass);
            using var best = logits.argmax(-1);
            chosen.Add(best.data<long>().ToArray());
            ids.Dispose();
            ids = best.view(batch.Rows, 1).clone();
            inputs = model.Inputs.Continue(inputs);
        }

        ids.Dispose();
        return [.. Enumerable.Range(0, batch.Rows).SelectMany(r => chosen.Select(c => c[r]))];
    }

    private sealed class Recorder : IProbe
    {
        public Dictionary<string, Tensor> Values { get; } = [];

        public void Hidden(int index, Tensor value) => Values[$"hidden.{index}"] = value.alias();

        public void Named(string name, Tensor value) => Values[name] = value.alias();

        public void LinearInput(int block, string site, Tensor value) => Assert.Equal(64, value.shape[^1]);
    }
}
