using Generated.Architectures;
using Generated.Layers;
using Generated.Quant.Calibration;
using Generated.Quant.Layers;
using Generated.Quant.Pipeline;
using Generated.Quant.Recipes;
using TorchSharp;

namespace Generated.Quant.Analysis;

/// <summary>
/// A model in memory on which a recipe has been carried out, as <see cref="UnitLoop"/> does for one on disk, and whose linears can each be
/// quantized or not. Offsets and scales stay moved: with every linear exact it computes what it did before.
/// </summary>
internal sealed class SwitchableModel : IDisposable
{
    private SwitchableModel(IReadOnlyList<LayerSwitch> layers) => Layers = layers;

    /// <summary>Every quantized linear, in order of execution; all are exact at first.</summary>
    public IReadOnlyList<LayerSwitch> Layers { get; }

    /// <summary>Quantizes a model in place.</summary>
    /// <param name="model">The model in float32; it is to outlive the result.</param>
    /// <param name="recipe">The recipe, checked.</param>
    /// <param name="calibration">Calibration tokens.</param>
    /// <param name="folder">For hidden states.</param>
    /// <param name="progress">Told the share done.</param>
    /// <param name="cancellation">Stops between batches.</param>
    public static SwitchableModel Quantize(
        CausalModel model, QuantRecipe recipe, CalibrationSet calibration, string folder, Action<double>? progress, CancellationToken cancellation)
    {
        var exact = new Dictionary<(int Block, string Path), Linear>();
        try
        {
            var quantizer = new UnitQuantizer(recipe, model.Structure, (slot, linear) => exact.Add((slot.Block, slot.Path), linear));
            var stream = new CalibrationFlow(folder, calibration, model.Inputs, new CalibrationNeeds(recipe));
            var layers = new List<LayerSwitch>();
            var last = model.AllBlocks.Count + 1;
            for (var index = 0; index <= last; index++)
            {
                using var unit = UnitAt(model, index, last);
                using var flow = stream.At(index, model.Device, writes: index < last);
                var result = quantizer.Run(unit, flow, unit is LoadedBlockUnit ? _ => true : UnitLoop.Visits(unit, flow), cancellation);
                flow.Complete();
                flow.Forget();
                foreach (var report in result.Reports)
                {
                    var slot = unit.Linears[report.Path];
                    layers.Add(new LayerSwitch(slot, exact[(slot.Block, slot.Path)], (QuantizedLinear)slot.Linear, result.Linears[report.Path], report));
                }

                progress?.Invoke((index + 1.0) / (last + 1));
            }

            foreach (var layer in layers)
                layer.IsQuantized = false;
            return new SwitchableModel(layers);
        }
        catch
        {
            foreach (var linear in exact.Values)
                linear.Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var layer in Layers)
            layer.Dispose();
    }

    private static Unit UnitAt(CausalModel model, int index, int last)
    {
        if (index == 0)
            return new EndsUnit(model, isBefore: true);
        return index == last ? new EndsUnit(model, isBefore: false) : new LoadedBlockUnit(model, model.AllBlocks[index - 1]);
    }
}
