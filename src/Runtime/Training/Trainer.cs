using Generated.Architectures;
using Generated.Passes;
using TorchSharp;
using static TorchSharp.torch;

namespace Generated.Training;

/// <summary>
/// Trains a model on one device: mean cross entropy of the next token, AdamW, cosine schedule, clipping, gradient accumulation.
/// Every step is a function of weights, optimizer state and data position, so that a resumed run repeats an uninterrupted one.
/// </summary>
public sealed class Trainer : IDisposable
{
    private readonly CausalModel _model;
    private readonly TrainingOptions _options;
    private readonly TokenBatches _data;
    private readonly List<KeyValuePair<string, Tensor>> _parameters;

    /// <param name="model">A model built with <c>Trainable</c>; it stays the caller's.</param>
    /// <param name="data">The batches.</param>
    /// <param name="options">Steps, learning rate, optimizer.</param>
    /// <param name="additional">What is learned beside the model's weights, by name; null for nothing. It stays the caller's.</param>
    public Trainer(CausalModel model, TokenBatches data, TrainingOptions options, IEnumerable<KeyValuePair<string, Tensor>>? additional = null)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(options);
        options.Check();
        _model = model;
        _data = data;
        _options = options;
        _parameters = [.. model.Weights().Where(slot => !slot.IsTied && slot.Parameter is { RequiresGrad: true })
            .Select(slot => KeyValuePair.Create(slot.Name, slot.Parameter!.Value)), .. additional ?? []];
        if (_parameters.Count == 0)
            throw new ArgumentException("The model takes no gradients; build it with Trainable.", nameof(model));
        Optimizer = new AdamW(_parameters, options.Optimizer);
    }

    /// <summary>What is trained, by name.</summary>
    internal IReadOnlyList<KeyValuePair<string, Tensor>> Parameters => _parameters;

    /// <summary>The optimizer, with its state.</summary>
    public AdamW Optimizer { get; }

    /// <summary>The data, with its position.</summary>
    public TokenBatches Data => _data;

    /// <summary>Steps made so far.</summary>
    public long Steps => Optimizer.Steps;

    /// <summary>Whether all steps are made.</summary>
    public bool IsFinished => Steps >= _options.Steps;

    /// <summary>Makes one step.</summary>
    /// <exception cref="GeneratedException">The loss is not finite: training has diverged.</exception>
    public TrainingStep Step()
    {
        var rate = _options.Schedule.RateAt(Steps);
        Optimizer.ZeroGrad();
        double loss = 0;
        long tokens = 0;
        for (var i = 0; i < _options.Accumulation; i++)
        {
            var batch = _data.Next();
            using var mean = Loss(_model, batch, training: true);
            using var share = mean / _options.Accumulation;
            share.backward();
            loss += mean.item<float>() / _options.Accumulation;
            tokens += (long)batch.Rows * batch.Length;
        }

        if (!double.IsFinite(loss))
            throw new GeneratedException(FormattableString.Invariant($"Training has diverged: the loss of step {Steps + 1} is {loss}; lower --learning-rate or lengthen --warmup."));
        using var norm = GradientClip.ClipNorm(_parameters.Select(p => p.Value), _options.ClipNorm);
        Optimizer.Step(rate);
        Changed();
        return new TrainingStep(Steps, loss, norm.item<float>(), rate, tokens);
    }

    /// <summary>Tells the model that its weights are others now.</summary>
    internal void Changed()
    {
        foreach (var parameter in _model.Parameters())
            parameter.Changed();
    }

    /// <summary>Mean cross entropy (in float32) of every token given those before it, the first of each row excepted.</summary>
    /// <param name="model">The model.</param>
    /// <param name="batch">Tokens; padding is neither scored nor attended to.</param>
    /// <param name="training">Whether what only stretches a trained model is off.</param>
    /// <returns>A scalar with its graph; the caller disposes it.</returns>
    public static Tensor Loss(CausalModel model, TokenBatch batch, bool training)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(batch);
        using var pass = new PassContext(model.Inputs.Prompt(batch)) { Training = training };
        return Loss(model, batch, pass);
    }

    /// <summary>The same for positions and mask that are given.</summary>
    internal static Tensor Loss(CausalModel model, TokenBatch batch, PassContext pass)
    {
        const int Ignored = -100;
        using var ids = batch.ToTensor(model.Device);
        using var logits = model.Full(ids, pass);
        using var predicted = logits.narrow(1, 0, batch.Length - 1);
        using var rows = predicted.reshape(-1, logits.shape[^1]);
        using var wide = rows.to_type(ScalarType.Float32);
        var labels = new long[batch.Rows * (batch.Length - 1)];
        for (var row = 0; row < batch.Rows; row++)
        {
            for (var column = 1; column < batch.Length; column++)
                labels[row * (batch.Length - 1) + column - 1] = batch.IsReal(row, column) && batch.IsReal(row, column - 1) ? batch[row, column] : Ignored;
        }

        using var targets = tensor(labels, device: model.Device);
        return torch.nn.functional.cross_entropy(wide, targets, ignore_index: Ignored);
    }

    /// <inheritdoc/>
    public void Dispose() => Optimizer.Dispose();
}
