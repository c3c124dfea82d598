using Generated.Architectures;
using Generated.Passes;
using Generated.Quant.Calibration;
using Generated.Quant.Layers;
using static TorchSharp.torch;

namespace Generated.Quant.Analysis;

/// <summary>Statistics of what a model's linears read, over the real tokens of a calibration set.</summary>
internal sealed class InputStatistics : IDisposable
{
    private const int SampledValues = 1 << 14;
    private const int FewestRows = 16;
    private const int MostRows = 4096;

    private readonly Dictionary<(int Block, string Site), Record> _records;

    private InputStatistics(Dictionary<(int Block, string Site), Record> records) => _records = records;

    /// <summary>Runs a model and gathers.</summary>
    /// <param name="model">The model.</param>
    /// <param name="set">The tokens.</param>
    /// <param name="sites">The values wanted, with the linear whose rounding is applied first; null for none.</param>
    /// <param name="cancellation">Stops between batches.</param>
    public static InputStatistics Gather(
        CausalModel model, CalibrationSet set, IReadOnlyDictionary<(int Block, string Site), LinearState?> sites, CancellationToken cancellation)
    {
        using var noGrad = no_grad();
        var result = new InputStatistics(sites.ToDictionary(site => site.Key, site => new Record(site.Value)));
        try
        {
            foreach (var batch in set.Batches)
            {
                cancellation.ThrowIfCancellationRequested();
                using var tokens = new RealTokens(batch);
                using var pass = new PassContext(model.Inputs.Prompt(batch)) { Probe = new Probe(result._records, tokens) };
                using var ids = batch.ToTensor(model.Device);
                model.Full(ids, pass).Dispose();
            }

            return result;
        }
        catch
        {
            result.Dispose();
            throw;
        }
    }

    /// <summary>Statistics of a value.</summary>
    public ValueSummary Of(int block, string site) => _records[(block, site)].Summarize();

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var record in _records.Values)
            record.Dispose();
    }

    private sealed class Record(LinearState? state) : IDisposable
    {
        private readonly ValueStatistics _statistics = new();
        private RowSample? _sample;
        private ValueSummary? _summary;

        public void Add(Tensor value, RealTokens tokens)
        {
            using var scope = NewDisposeScope();
            var rows = tokens.Of(value);
            if (state is not null)
                rows = LayerValues.Rounded(state, rows);
            _statistics.Add(rows, "The calibration activations");
            var width = (int)rows.shape[1];
            _sample ??= new RowSample(width, Math.Clamp(SampledValues / width, FewestRows, MostRows));
            _sample.Add(rows);
        }

        public ValueSummary Summarize()
        {
            if (_summary is not null)
                return _summary;
            using var rows = _sample!.ToTensor();
            return _summary = _statistics.Summarize(LayerValues.Floats(rows));
        }

        public void Dispose() => _sample?.Dispose();
    }

    private sealed class Probe(Dictionary<(int Block, string Site), Record> records, RealTokens tokens) : IProbe
    {
        public void Hidden(int index, Tensor value)
        {
        }

        public void Named(string name, Tensor value)
        {
        }

        public void LinearInput(int block, string site, Tensor value)
        {
            if (records.TryGetValue((block, site), out var record))
                record.Add(value, tokens);
        }
    }
}
