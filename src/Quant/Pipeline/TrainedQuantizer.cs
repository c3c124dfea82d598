using Generated.Architectures;
using Generated.Layers;
using Generated.Loading;
using Generated.Passes;
using Generated.Quant.Analysis;
using Generated.Quant.Calibration;
using Generated.Quant.Formats;
using Generated.Quant.Layers;
using Generated.Quant.Qat;
using Generated.Training;
using TorchSharp;
using static TorchSharp.torch;

namespace Generated.Quant.Pipeline;

/// <summary>
/// Carries out recipes that train (<c>Qat</c>): the whole model is in memory, with gradients and the optimizer's moments, and the
/// calibration tokens are what it is trained on. An interrupted training goes on from the last state that was written; what comes behind it
/// (rounding, files, measuring) is done again.
/// </summary>
internal sealed class TrainedQuantizer(QuantizeOptions options, CalibrationSet training, CalibrationSet? heldOut)
{
    private const int Batch = 4;
    private const string StateFolder = "training";

    /// <summary>What training and rounding gave.</summary>
    public sealed record Outcome(IReadOnlyList<LinearReport> Linears, UnitCost Cost, (double Before, double After)? Perplexity)
    {
        /// <summary>What an interrupted training was good for, in a sentence; null where there was none.</summary>
        public string? Resumption { get; init; }
    }

    /// <summary>Trains, writes every part, and measures.</summary>
    /// <exception cref="GeneratedException">Training has diverged, or its state cannot be written.</exception>
    public Outcome Run(QuantizedCheckpointWriter writer, CancellationToken cancellation)
    {
        using var loaded = ModelLoader.Load(options.Source, new LoadOptions { Dtype = ScalarType.Float32, Device = options.Device, Trainable = true }, cancellation);
        var model = loaded.Model;
        var size = new UnitMeasure(Values(model), 0, Time(model));
        double? before = heldOut is null ? null : Perplexity(model, heldOut, cancellation);
        List<(LinearSlot Slot, LinearState State)> trained;
        var steps = options.Recipe.Qat!.Steps;
        var checkpoint = new QatCheckpoint(Path.Combine(writer.WorkFolder, StateFolder), new SaveInterval(options.SaveEvery, TimeProvider.System));
        using (var session = new QatSession(model, options.Recipe))
        {
            session.Train(Windows(), step =>
            {
                var remark = checkpoint.Refusal is not null ? ", begun anew" : checkpoint.Resumed > 0 ? FormattableString.Invariant($", resumed behind step {checkpoint.Resumed}") : "";
                options.Working?.Report(FormattableString.Invariant($"training step {step.Step} of {steps}{remark}"));
                options.Progress?.Report(0.95 * step.Step / steps);
            }, checkpoint, cancellation);
            trained = [.. session.ToStates()];
        }

        foreach (var parameter in model.Parameters())
            parameter.RequiresGrad = false;
        var embedding = EmbeddingStage.Quantize(model, options.Recipe);
        foreach (var block in model.AllBlocks)
            writer.WriteBlock(block, [], States(block.Index));
        writer.WriteEnds(model, States(QuantizedCheckpointWriter.Ends), embedding);

        var reports = Errors(model, trained);
        foreach (var (slot, state) in trained)
        {
            using var dense = slot.Linear;
            slot.Linear = QuantizedLinear.Create(dense, state);
        }

        if (embedding is not null)
            EmbeddingStage.Round(model, embedding);
        var packed = model.Linears().Select(slot => slot.Linear).OfType<QuantizedLinear>().Sum(linear => linear.Bytes);
        var cost = new UnitCost(size, new UnitMeasure(Values(model), packed, Time(model)).With(embedding));
        return new Outcome(reports, cost, before is { } exact ? (exact, Perplexity(model, heldOut!, cancellation)) : null)
        {
            Resumption = checkpoint switch
            {
                { Refusal: { } reason } => $"The training began anew, for what an interrupted one had left is not used: {reason}",
                { Resumed: > 0 } => FormattableString.Invariant($"The training went on behind step {checkpoint.Resumed} of {steps}, where an interrupted one had left its state."),
                _ => null,
            },
        };

        Dictionary<string, LinearState> States(int block) =>
            trained.Where(t => t.Slot.Block == block).ToDictionary(t => t.Slot.Path, t => t.State, StringComparer.Ordinal);
    }

    /// <summary>Milliseconds of a decoded token behind the beginning of the first row.</summary>
    private double Time(CausalModel model)
    {
        using var scope = NewDisposeScope();
        var row = training.Rows[0];
        var (ids, first) = new UnitPrompt(row, model.Inputs, () => TokenBatch.LeftPadded([row], 0).ToTensor(model.Device)).FirstTokens(DecodeTime.Prompt);
        var token = ids.narrow(1, first.Length - 1, 1).contiguous();
        return DecodeTime.Of(model.Context, first, model.Inputs, pass => model.Prefill(ids, pass), pass => model.Decode(token, pass));
    }

    private static long Values(CausalModel model) => model.Parameters().Sum(p => p.Value.numel());

    /// <summary>The rows one behind the other, cut into windows of the length that calibration has.</summary>
    private TokenBatches Windows()
    {
        var tokens = training.Rows.SelectMany(row => row).ToList();
        return new TokenBatches(tokens, Math.Min(options.Calibration.Window, tokens.Count), Batch);
    }

    private static double Perplexity(CausalModel model, CalibrationSet set, CancellationToken cancellation)
    {
        using var metric = new ModelMetric(model, set, AnalysisMetric.Perplexity, "", cancellation);
        return metric.Measure();
    }

    /// <summary>What rounding costs each trained linear on the first batch of tokens.</summary>
    private List<LinearReport> Errors(CausalModel model, List<(LinearSlot Slot, LinearState State)> trained)
    {
        using var noGrad = no_grad();
        var probe = new ErrorProbe(model, trained);
        var batch = training.Batches[0];
        using (var pass = new PassContext(model.Inputs.Prompt(batch)) { Probe = probe })
            model.Full(batch.ToTensor(model.Device), pass).Dispose();
        return [.. trained.Select(t => probe.Report(t.Slot, t.State))];
    }

    private sealed class ErrorProbe(CausalModel model, List<(LinearSlot Slot, LinearState State)> trained) : IProbe
    {
        private readonly Dictionary<(string Path, int Block), ErrorMeasure> _errors = [];

        public void Hidden(int index, Tensor value)
        {
        }

        public void Named(string name, Tensor value)
        {
        }

        public void LinearInput(int block, string site, Tensor value)
        {
            foreach (var (slot, state) in trained.Where(t => t.Slot.Block == block && model.Structure.Linear(t.Slot.Path).Site == site))
            {
                using var integers = QuantizedLinear.Create(slot.Linear, state);
                using var exact = slot.Linear.Product(value, withBias: true);
                using var rounded = integers.Product(value, withBias: true);
                _errors[(slot.Path, block)] = new ErrorMeasure().Add(exact, rounded);
            }
        }

        public LinearReport Report(LinearSlot slot, LinearState state)
        {
            var error = _errors[(slot.Path, slot.Block)];
            return new LinearReport(slot.Path, ModelNames.At(model.Structure.Linear(slot.Path).Name, slot.Block), slot.Block)
            {
                Method = "qat",
                Mse = error.Mse,
                Snr = error.SnrDecibels,
                Cosine = error.Cosine,
                InputScale = state.InputScale,
            };
        }
    }
}
