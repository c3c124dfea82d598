using Generated.Architectures;
using Generated.Quant.Calibration;
using Generated.Quant.Pipeline;
using TorchSharp;
using static TorchSharp.torch;

namespace Generated.Quant.Analysis;

/// <summary>Takes a metric of a model on held-out tokens.</summary>
internal sealed class ModelMetric : IDisposable
{
    private readonly WholeModelUnit _unit;
    private readonly CalibrationSet _set;
    private readonly HeldOutText _text;
    private readonly UnitInputs _inputs;
    private readonly HiddenSpool? _logits;
    private readonly CancellationToken _cancellation;

    /// <param name="model">The model, exact as yet; the caller's.</param>
    /// <param name="set">The tokens.</param>
    /// <param name="metric">The metric.</param>
    /// <param name="folder">For exact logits, where the metric needs them: 4 bytes per token and entry of the vocabulary.</param>
    /// <param name="cancellation">Stops between batches.</param>
    public ModelMetric(CausalModel model, CalibrationSet set, AnalysisMetric metric, string folder, CancellationToken cancellation)
    {
        (_unit, _set, _cancellation) = (new WholeModelUnit(model), set, cancellation);
        _text = new HeldOutText(folder, set, model.Inputs);
        _inputs = new UnitInputs(set, model.Inputs, null, model.Device);
        if (metric == AnalysisMetric.Mse)
            _logits = Record(Path.Combine(folder, "logits.f32"));
    }

    /// <summary>Number of scored tokens.</summary>
    public long Tokens => _logits is null ? _text.Tokens : _set.Tokens;

    /// <summary>The metric of the model as it is now; infinite where it computes no numbers any more.</summary>
    public double Measure()
    {
        var value = _logits is null ? Perplexity() : Error(_logits);
        return double.IsNaN(value) ? double.PositiveInfinity : value;
    }

    /// <inheritdoc/>
    public void Dispose() => _logits?.Delete();

    private double Perplexity()
    {
        using var stage = _text.After(0, _unit.Context.Device);
        return _text.Score(stage, _unit, _cancellation);
    }

    private double Error(HiddenSpool expected)
    {
        var error = new ErrorMeasure();
        Each((index, logits, tokens) =>
        {
            using var scope = NewDisposeScope();
            error.Add(tokens.Of(expected.Read(index, logits.device)), tokens.Of(logits));
        });
        return error.Mse;
    }

    private HiddenSpool Record(string path)
    {
        HiddenSpool? spool = null;
        try
        {
            Each((index, logits, _) => (spool ??= HiddenSpool.Create(path, _set, (int)logits.shape[^1])).Write(index, logits));
            spool!.Complete();
        }
        finally
        {
            spool?.Dispose();
        }

        return HiddenSpool.Open(path, _set)!;
    }

    private void Each(Action<int, Tensor, RealTokens> use)
    {
        using var noGrad = no_grad();
        for (var i = 0; i < _inputs.Count; i++)
        {
            _cancellation.ThrowIfCancellationRequested();
            using var tokens = new RealTokens(_inputs.Batch(i));
            using var pass = _inputs.Pass(i);
            using var input = _inputs.Read(i);
            using var logits = _unit.Run(input, pass);
            use(i, logits, tokens);
        }
    }
}
