using Generated;
using Generated.Checkpoints;
using Generated.Layers;
using Generated.Loading;
using Generated.Passes;
using Generated.Training;
using Runtime.Tests.Checkpoints;
using Runtime.Tests.Loading;
using TorchSharp;
using static TorchSharp.torch;

namespace Runtime.Tests.Training;

public sealed class TrainerTests
{
    private static readonly TrainingOptions Recipe = new() { Steps = 12, LearningRate = 3e-3, WarmupSteps = 2, LearningRateFloor = 1e-4, ClipNorm = 0.5, Accumulation = 2 };

    private static readonly int[] Tokens = [.. Enumerable.Range(0, 700).Select(i => i * i % 311)];

    [SkippableFact]
    public void TenAdamWSteps_GiveTheRecordedLossesGradientsAndWeights()
    {
        var folder = Models.Stories();
        using var golden = Checkpoint.Open(Path.Combine(folder, "golden_train.safetensors"));
        using var loaded = Models.Load(Path.Combine(folder, "hf"), trainable: true);
        using var ids = golden.Load("input_ids");
        var batch = new TokenBatch(4, 128, ids.data<long>().ToArray());
        var weights = loaded.Model.Weights().Where(slot => !slot.IsTied).ToDictionary(slot => slot.Name, slot => slot.Parameter!.Value);
        using var optimizer = new AdamW(weights);
        using var losses = golden.Load("adamw_losses");
        for (var step = 0; step < 10; step++)
        {
            optimizer.ZeroGrad();
            using var loss = Trainer.Loss(loaded.Model, batch, training: true);
            loss.backward();
            Assert.Equal(losses[step].item<float>(), loss.item<float>(), 2e-5);
            if (step == 0)
                AssertClose(golden, "grad.", weights, name => weights[name].grad!, 1e-6, 1e-3);
            optimizer.Step(1e-3);
        }

        // Adam divides by the gradient's size: where a gradient is rounding noise, so is the step, of up to the learning rate.
        foreach (var (name, weight) in weights)
        {
            using var expected = golden.Load("after10." + name);
            using var difference = (weight.detach() - expected).abs();
            Assert.True(difference.mean().item<float>() < 2e-6 && difference.max().item<float>() < 2e-3, $"{name}: mean {difference.mean().item<float>()}, max {difference.max().item<float>()}");
        }
    }

    private static void AssertClose(Checkpoint golden, string prefix, Dictionary<string, Tensor> weights, Func<string, Tensor> actual, double absolute, double relative)
    {
        foreach (var name in weights.Keys)
        {
            using var expected = golden.Load(prefix + name);
            using var value = actual(name).detach();
            Assert.True(value.allclose(expected, relative, absolute), $"{prefix}{name} differs by {(value - expected).abs().max().item<float>()}");
        }
    }

    [Fact]
    public void Steps_LowerTheLoss()
    {
        using var loaded = Models.Load(Files.Fixture("llama"), trainable: true);
        using var trainer = new Trainer(loaded.Model, new TokenBatches(Tokens, 32, 4), Recipe with { Steps = 30, Accumulation = 1 });
        var steps = Enumerable.Range(0, 30).Select(_ => trainer.Step()).ToArray();
        Assert.True(steps[^1].Loss < 0.5 * steps[0].Loss, $"{steps[0].Loss} to {steps[^1].Loss}");
        Assert.All(steps, step => Assert.True(double.IsFinite(step.GradientNorm) && step.Tokens == 128));
        Assert.True(trainer.IsFinished);
    }

    [Fact]
    public void AccumulatedBatches_EqualOneLargeBatch()
    {
        float[] Norm(int batch, int accumulation)
        {
            using var loaded = Models.Load(Files.Fixture("llama"), trainable: true);
            using var trainer = new Trainer(loaded.Model, new TokenBatches(Tokens, 16, batch), Recipe with { Accumulation = accumulation, ClipNorm = double.PositiveInfinity });
            trainer.Step();
            return loaded.Model.Parameters().First().Value.detach().data<float>().ToArray();
        }

        var (large, small) = (Norm(8, 1), Norm(2, 4));
        Assert.Equal(large.Length, small.Length);
        for (var i = 0; i < large.Length; i++)
            Assert.Equal(large[i], small[i], 2e-4);
    }

    [Fact]
    public void ResumedRun_EqualsAnUninterruptedOne_BitForBit()
    {
        using var folder = Files.Temporary();
        var saved = Path.Combine(folder.Path, "run");
        using var straight = Models.Load(Files.Fixture("llama"), trainable: true);
        using (var trainer = new Trainer(straight.Model, new TokenBatches(Tokens, 24, 3, seed: 5), Recipe))
        {
            for (var step = 0; step < 12; step++)
            {
                if (step == 7)
                    TrainingCheckpoint.Save(saved, trainer, straight.Model, straight.Architecture, straight.Directory);
                trainer.Step();
            }
        }

        Assert.True(TrainingCheckpoint.Exists(saved));
        using var resumed = Models.Load(saved, trainable: true);
        using (var trainer = new Trainer(resumed.Model, new TokenBatches(Tokens, 24, 3, seed: 5), Recipe))
        {
            TrainingCheckpoint.Resume(saved, trainer);
            Assert.Equal(7, trainer.Steps);
            while (!trainer.IsFinished)
                trainer.Step();
        }

        foreach (var (a, b) in straight.Model.Parameters().Zip(resumed.Model.Parameters()))
            Assert.Equal(a.Value.detach().data<float>().ToArray(), b.Value.detach().data<float>().ToArray());
        Assert.Contains("'window' is 24", Refusal(() =>
        {
            using var other = new Trainer(resumed.Model, new TokenBatches(Tokens, 25, 3, seed: 5), Recipe);
            TrainingCheckpoint.Resume(saved, other);
        }));
    }

    /// <summary>A run whose replacement was stopped between its two renames is still there; one that is damaged is never taken for a whole one.</summary>
    [Fact]
    public void SavedRun_HalfReplaced_IsFound_AndDamaged_IsRefused()
    {
        using var folder = Files.Temporary();
        var saved = Path.Combine(folder.Path, "run");
        using var loaded = Models.Load(Files.Fixture("llama"), trainable: true);
        using var trainer = new Trainer(loaded.Model, new TokenBatches(Tokens, 24, 3, seed: 5), Recipe);
        trainer.Step();
        TrainingCheckpoint.Save(saved, trainer, loaded.Model, loaded.Architecture, loaded.Directory);
        Directory.Move(saved, saved + ".replaced");
        Directory.CreateDirectory(saved + ".partial");
        Assert.True(TrainingCheckpoint.Exists(saved));
        Assert.Equal(["run"], Directory.EnumerateFileSystemEntries(folder.Path).Select(Path.GetFileName));
        trainer.Step();
        TrainingCheckpoint.Resume(saved, trainer);
        Assert.Equal(1, trainer.Steps);

        var state = Path.Combine(saved, "training_state.json");
        var text = File.ReadAllText(state);
        File.WriteAllText(state, text.Replace("\"steps\": 1", "\"steps\": 2", StringComparison.Ordinal));
        Assert.Contains("damaged", Refusal(() => TrainingCheckpoint.Resume(saved, trainer)));
        File.WriteAllText(state, text);
        using (var file = new FileStream(Path.Combine(saved, "optimizer.safetensors"), FileMode.Open))
        {
            file.Seek(-5, SeekOrigin.End);
            var value = file.ReadByte();
            file.Seek(-5, SeekOrigin.End);
            file.WriteByte((byte)(value ^ 1));
        }

        Assert.Contains("damaged", Refusal(() => TrainingCheckpoint.Resume(saved, trainer)));
        Assert.Equal(1, trainer.Steps);
    }

    [Fact]
    public void Batches_CoverEachEpochOnce_InANewOrder()
    {
        var data = new TokenBatches([.. Enumerable.Range(0, 60)], window: 7, batch: 5, seed: 3, bos: 999);
        Assert.Equal(10, data.WindowsPerEpoch);
        var epochs = Enumerable.Range(0, 2).Select(_ => new[] { data.Next(), data.Next() }.SelectMany(batch => batch.Ids).Where(id => id != 999).ToArray()).ToArray();
        Assert.All(epochs, ids => Assert.Equal(Enumerable.Range(0, 60).Select(i => (long)i), ids.Order()));
        Assert.NotEqual(epochs[0], epochs[1]);
        Assert.Equal(new DataPosition(2, 0), data.Position);
        data.Position = new DataPosition(1, 5);
        Assert.Equal(epochs[1][30..], data.Next().Ids.Where(id => id != 999));
    }

    [Fact]
    public void Initializer_RepeatsFromItsSeed()
    {
        using var first = Models.Fixture("llama");
        using var second = Models.Fixture("llama2-gqa");
        WeightInitializer.Initialize(first.Model, 42);
        var once = first.Model.Parameters().First().Value.data<float>().ToArray();
        WeightInitializer.Initialize(first.Model, 42);
        Assert.Equal(once, first.Model.Parameters().First().Value.data<float>().ToArray());
        Assert.InRange(first.Model.Parameters().First().Value.std().item<float>(), 0.019, 0.021);
        WeightInitializer.Initialize(first.Model, 43);
        Assert.NotEqual(once, first.Model.Parameters().First().Value.data<float>().ToArray());
    }

    private static string Refusal(Action act) => Assert.Throws<InvalidInputException>(act).Message;
}
