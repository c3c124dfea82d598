using Generated.Loading;
using Generated.Passes;
using Generated.Quant.Calibration;
using Generated.Quant.Recipes;
using TorchSharp;
using static TorchSharp.torch;

namespace Generated.Quant.Pipeline;

/// <summary>
/// Quantizes a model unit by unit, one in memory at a time: what is before the blocks, the blocks, what is behind them. Hidden states go
/// from one to the next through files in a folder.
/// </summary>
/// <param name="model">The checkpoint.</param>
/// <param name="recipe">The recipe, checked.</param>
/// <param name="set">Calibration tokens.</param>
/// <param name="folder">For the hidden states.</param>
internal sealed class UnitLoop(StreamedModel model, QuantRecipe recipe, CalibrationSet set, string folder)
{
    private readonly UnitQuantizer _quantizer = new(recipe, model.Structure);

    /// <summary>Number of units.</summary>
    public int Count => model.BlockCount + 2;

    /// <summary>Whether a run can begin at a unit: what it runs on is there.</summary>
    public bool CanBegin(int unit)
    {
        if (unit == 0)
            return true;
        using var spool = HiddenSpool.Open(SpoolPath(unit), set);
        return spool is not null;
    }

    /// <summary>Quantizes units.</summary>
    /// <param name="first">The first one; <see cref="CanBegin"/> says whether that is possible.</param>
    /// <param name="finished">Keeps what became of a unit; it is freed afterwards, and what it ran on deleted.</param>
    /// <param name="cancellation">Stops between batches.</param>
    public void Run(int first, Action<int, Unit, UnitResult> finished, CancellationToken cancellation)
    {
        for (var index = first; index < Count; index++)
        {
            cancellation.ThrowIfCancellationRequested();
            using var input = index == 0 ? null : HiddenSpool.Open(SpoolPath(index), set) ?? throw new GeneratedException($"{SpoolPath(index)}, the hidden states to go on from, is gone; begin again.");
            using (var unit = Load(index))
            {
                var inputs = new UnitInputs(set, model.Inputs, input, unit.Context.Device);
                using var output = index + 1 < Count ? new SpoolWriter(SpoolPath(index + 1), set) : null;
                var result = _quantizer.Run(unit, inputs, Visits(unit, inputs), output is null ? null : output.Write, cancellation);
                output?.Complete();
                finished(index, unit, result);
            }

            input?.Delete();
        }
    }

    private Unit Load(int index) => index == 0 || index == Count - 1 ? new EndsUnit(model.LoadEnds(), index == 0) : new BlockUnit(model.LoadBlock(index - 1));

    private string SpoolPath(int unit) => Path.Combine(folder, FormattableString.Invariant($"hidden.{unit:00000}.f32"));

    /// <summary>A block's pass reaches all its linears; which of the others come before the blocks only a pass tells.</summary>
    private static Func<string, bool> Visits(Unit unit, UnitInputs inputs)
    {
        if (unit.Block >= 0)
            return _ => true;
        using var noGrad = no_grad();
        var sites = new SiteNames();
        var (input, first) = inputs.FirstRow();
        using (input)
        using (var pass = new PassContext(first) { Probe = sites })
            unit.Run(input, pass).Dispose();
        return sites.Names.Contains;
    }

    private sealed class SiteNames : IProbe
    {
        public HashSet<string> Names { get; } = new(StringComparer.Ordinal);

        public void Hidden(int index, Tensor value)
        {
        }

        public void Named(string name, Tensor value)
        {
        }

        public void LinearInput(int block, string site, Tensor value) => Names.Add(site);
    }

    /// <summary>A spool whose width its first batch decides.</summary>
    private sealed class SpoolWriter(string path, CalibrationSet set) : IDisposable
    {
        private HiddenSpool? _spool;

        public void Write(int batch, Tensor value) => (_spool ??= HiddenSpool.Create(path, set, (int)value.shape[^1])).Write(batch, value);

        public void Complete() => _spool!.Complete();

        public void Dispose() => _spool?.Dispose();
    }
}
