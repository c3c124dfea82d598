using System.Runtime.CompilerServices;
using Generated;
using Generated.Architectures;
using Generated.Layers;
using Generated.Loading;
using Generated.Quant.Layers;
using Generated.Quant.Qat;
using Generated.Quant.Recipes;
using Generated.Training;
using TorchSharp;
using static TorchSharp.torch;

namespace Quant.Tests.Qat;

public sealed class QatSessionTests
{
    private static readonly WeightFormat Int4 = new() { Bits = 4 };
    private static readonly int[] Tokens = [.. Enumerable.Range(0, 600).Select(i => (i * i / 7 + i % 13) % 64)];

    private static LoadedModel Load(bool trainable = true)
    {
        RuntimeHelpers.RunModuleConstructor(typeof(Generated.Models.LlamaConfig).Module.ModuleHandle);
        return ModelLoader.Load(Path.Combine(RecordedFixtures.Root, "llama"), new LoadOptions { Dtype = ScalarType.Float32, Trainable = trainable });
    }

    /// <summary>The two on random rows that partly are beyond the codes; a value at a tie may go to the next code in a row or two.</summary>
    private static void AssertEqual(FakeQuantLinear trained, QuantizedLinear integers, float reach, Random random)
    {
        using var noGrad = no_grad();
        using var scope = NewDisposeScope();
        var x = tensor(Enumerable.Range(0, 64 * trained.InWidth).Select(_ => reach * (2 * random.NextSingle() - 1)).ToArray()).reshape(1, 64, trained.InWidth);
        var (expected, found) = (trained.Product(x, withBias: true), integers.Product(x, withBias: true));
        var wrongRows = ((expected - found).abs().amax([2]) > expected.abs().max() * 1e-4).sum().item<long>();
        Assert.True(wrongRows <= 2, $"{wrongRows} of 64 rows differ");
    }

    private static double Loss(CausalModel model)
    {
        using var noGrad = no_grad();
        double sum = 0;
        var data = new TokenBatches(Tokens, 24, 5);
        for (var i = 0; i < 5; i++)
        {
            using var loss = Trainer.Loss(model, data.Next(), training: true);
            sum += loss.item<float>();
        }

        return sum / 5;
    }

    [Theory]
    [InlineData(QatWeights.ChannelAbsMax, QatActivations.MovingAverageAbsMax)]
    [InlineData(QatWeights.LsqPlus, QatActivations.LsqPlus)]
    [InlineData(QatWeights.LsqPlus, QatActivations.Pact)]
    public void Train_LowersTheLossOfTheQuantizedModel_AndItsIntegersCompute(QatWeights weights, QatActivations activations)
    {
        using var loaded = Load();
        var model = loaded.Model;
        var recipe = new QuantRecipe
        {
            Weights = Int4,
            Activations = new ActivationFormat(),
            Keep = ["Llama.Head"],
            Qat = new QatOptions { Weights = weights, Activations = activations, Steps = 25, LearningRate = 2e-3 },
        };
        using var session = new QatSession(model, recipe);
        var dense = session.Linears.Select(l => l.Inner).ToList();
        var before = Loss(model);
        var steps = new List<TrainingStep>();
        session.Train(new TokenBatches(Tokens, 24, 5), steps.Add);
        var after = Loss(model);
        Assert.Equal(25, steps.Count);
        Assert.True(after < 0.9 * before, $"{before} became {after}");

        // The integers in real layers compute what the trained, fake-quantized layers do.
        var random = new Random(1);
        var replaced = new List<QuantizedLinear>();
        foreach (var (slot, state) in session.ToStates().ToList())
        {
            Assert.True(state.InputScale > 0);
            Assert.Equal(activations == QatActivations.LsqPlus, state.Input is not null);
            replaced.Add(QuantizedLinear.Create(slot.Linear, state));
            AssertEqual((FakeQuantLinear)slot.Linear, replaced[^1], 200 * state.InputScale.Value, random);
            slot.Linear = replaced[^1];
        }

        Assert.Equal(after, Loss(model), after * 0.01);
        session.Dispose();
        replaced.ForEach(l => l.Dispose());
        Assert.Equal(dense, model.Linears().Where(l => l.Block >= 0).Select(l => (DenseLinear)l.Linear));
    }

    [Fact]
    public void Learned_EveryScaleAndThreshold_GetsAGradientAndAName()
    {
        using var loaded = Load();
        var recipe = new QuantRecipe
        {
            Weights = Int4,
            Activations = new ActivationFormat(),
            Keep = ["Llama.Head"],
            Qat = new QatOptions { Weights = QatWeights.LsqPlus, Activations = QatActivations.LsqPlus },
        };
        using var session = new QatSession(loaded.Model, recipe);
        using (var loss = Trainer.Loss(loaded.Model, new TokenBatches(Tokens, 24, 2).Next(), training: true))
            loss.backward();
        var learned = session.Learned.ToList();
        Assert.Equal(3 * session.Linears.Count(), learned.Count);
        Assert.Equal(learned.Count, learned.Select(p => p.Key).Distinct().Count());
        Assert.Contains(learned, p => p.Key == "LlamaBlock.Q@0.weight_scale");
        Assert.All(learned, p =>
        {
            using var grad = p.Value.grad;
            // An offset has a gradient only where something is clipped, which nothing is at the start.
            Assert.True(grad is not null && (p.Key.EndsWith("offset", StringComparison.Ordinal) || grad.abs().sum().item<float>() > 0), p.Key);
        });
    }

    [Fact]
    public void Recipe_ThatTrainsNothing_IsRefusedAndLeavesTheModel()
    {
        using var loaded = Load();
        Assert.Throws<InvalidInputException>(() => new QatSession(loaded.Model, new QuantRecipe { Weights = Int4 }));
        Assert.Throws<InvalidInputException>(() => new QatSession(loaded.Model, new QuantRecipe { Qat = new QatOptions() }));
        Assert.Throws<InvalidInputException>(() => new QatSession(loaded.Model, new QuantRecipe
        {
            Weights = Int4 with { Symmetric = false },
            Qat = new QatOptions { Weights = QatWeights.LsqPlus },
        }));
        Assert.All(loaded.Model.Linears(), l => Assert.IsType<DenseLinear>(l.Linear));
    }
}
