using Generated.Evaluation;
using Generated.Passes;
using Generated.Quant.Calibration;
using static TorchSharp.torch;

namespace Generated.Quant.Pipeline;

/// <summary>
/// Perplexity on tokens that calibration did not see, of the model before and after, unit by unit with the rest: neither model is ever
/// whole in memory. Scored as <see cref="Evaluation.Perplexity"/> does: every token but a row's first.
/// </summary>
/// <param name="folder">For the hidden states.</param>
/// <param name="set">The tokens.</param>
/// <param name="scheme">The model's input scheme.</param>
internal sealed class HeldOutText(string folder, CalibrationSet set, IInputScheme scheme)
{
    private readonly HiddenStream _before = new(folder, "before", set, scheme);
    private readonly HiddenStream _after = new(folder, "after", set, scheme);

    /// <summary>Number of scored tokens.</summary>
    public long Tokens => set.Rows.Sum(row => row.Length - 1L);

    /// <summary>Perplexity of the model as it was, where it is known from an earlier run.</summary>
    public double? Known { get; init; }

    /// <summary>Whether a run can begin at a unit.</summary>
    public bool CanBegin(int unit) => (Known is not null || _before.CanBegin(unit)) && _after.CanBegin(unit);

    /// <summary>The stream through the model as it was; null where its perplexity is known.</summary>
    public HiddenStream.Stage? Before(int unit, Device device) => Known is null ? _before.At(unit, device) : null;

    /// <summary>The stream through the model as it becomes.</summary>
    public HiddenStream.Stage After(int unit, Device device) => _after.At(unit, device);

    /// <summary>Perplexity by what is behind the blocks.</summary>
    public double Score(HiddenStream.Stage stage, Unit behind, CancellationToken cancellation)
    {
        using var noGrad = no_grad();
        double sum = 0;
        for (var i = 0; i < stage.Inputs.Count; i++)
        {
            cancellation.ThrowIfCancellationRequested();
            foreach (var (batch, input, inputs) in stage.Inputs.Parts(i, behind.MostRows(stage.Inputs.Batch(i).Length)))
            {
                using var scope = NewDisposeScope();
                using (input)
                using (var pass = new PassContext(inputs))
                    sum += TokenLikelihood.Nll(behind.Run(input, pass), batch.ToTensor(behind.Context.Device), batch);
            }
        }

        return Math.Exp(sum / Tokens);
    }
}
