using Generated.Architectures;
using Generated.Layers;
using Generated.Quant.Layers;
using Generated.Quant.Recipes;
using Generated.Training;
using TorchSharp;
using static TorchSharp.torch;

namespace Generated.Quant.Qat;

/// <summary>
/// Quantization-aware training of a model: every linear that the recipe quantizes is replaced by its fake-quantized form, the
/// generated training pass runs through them, and afterwards each gives its integers. Disposing puts the dense linears back.
/// </summary>
internal sealed class QatSession : IDisposable
{
    private readonly CausalModel _model;
    private readonly QatOptions _options;
    private readonly List<(LinearSlot Slot, FakeQuantLinear Linear)> _linears = [];

    /// <param name="model">A model built with <c>Trainable</c>; it stays the caller's.</param>
    /// <param name="recipe">Formats, kept linears and <see cref="QuantRecipe.Qat"/>.</param>
    /// <exception cref="InvalidInputException">The recipe asks for no training, or nothing is left to train.</exception>
    public QatSession(CausalModel model, QuantRecipe recipe)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(recipe);
        _model = model;
        _options = recipe.Qat ?? throw new InvalidInputException($"The recipe '{recipe.Name}' asks for no quantization-aware training; add Qat to it.");
        try
        {
            foreach (var slot in model.Linears())
            {
                var info = model.Structure.Linear(slot.Path);
                var choice = LayerChoice.Of(recipe, slot.Path, info.Name, info.TiedTo is not null, slot.Block);
                if (choice.Weights is null)
                    continue;
                if (slot.Linear is not DenseLinear dense)
                    throw new InvalidInputException($"{slot.Path} is not dense; quantization-aware training starts from a model in floating point.");
                var linear = new FakeQuantLinear(dense, _options, choice.Weights, choice.Activations, recipe.Rounding);
                _linears.Add((slot, linear));
                slot.Linear = linear;
            }
        }
        catch
        {
            Dispose();
            throw;
        }

        if (_linears.Count == 0)
            throw new InvalidInputException($"The recipe '{recipe.Name}' leaves no linear to train; give Weights, or keep fewer layers.");
    }

    /// <summary>The linears in training.</summary>
    public IEnumerable<FakeQuantLinear> Linears => _linears.Select(l => l.Linear);

    /// <summary>What is learned beside the weights, by a name that says where.</summary>
    public IEnumerable<KeyValuePair<string, Tensor>> Learned => _linears.SelectMany(l =>
        l.Linear.Learned.Select(p => KeyValuePair.Create(FormattableString.Invariant($"{l.Slot.Path}@{l.Slot.Block}.{p.Key}"), p.Value)));

    /// <summary>What the observers of all linears have seen, one behind the other; setting it goes on from there.</summary>
    public double[] Seen
    {
        get => [.. Linears.SelectMany(linear => linear.Seen)];
        set
        {
            var start = 0;
            foreach (var linear in Linears)
            {
                var count = linear.Seen.Length;
                linear.Seen = value[start..(start + count)];
                start += count;
            }
        }
    }

    /// <summary>Makes the recipe's steps.</summary>
    /// <param name="data">Training batches.</param>
    /// <param name="onStep">Told of each step; null for nobody.</param>
    /// <param name="checkpoint">Where the state is kept and a run that was interrupted goes on from; null for nowhere.</param>
    /// <param name="cancellation">Stops between steps.</param>
    /// <exception cref="GeneratedException">Training has diverged, or the state cannot be written.</exception>
    public void Train(TokenBatches data, Action<TrainingStep>? onStep = null, QatCheckpoint? checkpoint = null, CancellationToken cancellation = default)
    {
        var options = new TrainingOptions
        {
            Steps = _options.Steps,
            LearningRate = _options.LearningRate,
            WarmupSteps = Math.Min(_options.Steps / 20, 100),
            // Decay would draw scales and thresholds to zero, and the weights are trained already.
            Optimizer = new AdamWOptions { WeightDecay = 0 },
        };
        using var trainer = new Trainer(_model, data, options, Learned);
        checkpoint?.Resume(this, trainer);
        while (!trainer.IsFinished)
        {
            if (cancellation.IsCancellationRequested)
            {
                checkpoint?.Stopped(this, trainer);
                throw new OperationCanceledException(cancellation);
            }

            var step = trainer.Step();
            onStep?.Invoke(step);
            checkpoint?.Made(this, trainer);
        }
    }

    /// <summary>Every trained linear in integers.</summary>
    public IEnumerable<(LinearSlot Slot, LinearState State)> ToStates() => _linears.Select(l => (l.Slot, l.Linear.ToState()));

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var (slot, linear) in _linears)
        {
            slot.Linear = linear.Inner;
            linear.DisposeQuantizers();
        }

        _linears.Clear();
    }
}
