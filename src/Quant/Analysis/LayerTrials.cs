using System.Globalization;

namespace Generated.Quant.Analysis;

/// <summary>Takes the metric with some layers quantized and others not; what was measured before is not measured again.</summary>
/// <param name="layers">Every layer that a recipe quantizes.</param>
/// <param name="metric">Takes the metric of the model as it is.</param>
/// <param name="log">Remembers.</param>
internal sealed class LayerTrials(IReadOnlyList<LayerSwitch> layers, Func<double> metric, MeasurementLog log)
{
    private const string OnlyThese = "only", AllBut = "except";

    /// <summary>Every layer that the recipe quantizes.</summary>
    public IReadOnlyList<LayerSwitch> Layers => layers;

    /// <summary>Told that a trial is done, measured or remembered.</summary>
    public Action? Done { get; init; }

    /// <summary>A layer's name as recipes write it.</summary>
    public static string Id(string path, int block) => block < 0 ? path : string.Create(CultureInfo.InvariantCulture, $"{path}@{block}");

    /// <summary>The metric with these layers quantized and no other.</summary>
    public double Only(params IReadOnlyList<LayerSwitch> quantized) => Measure(OnlyThese, quantized, quantized.Contains);

    /// <summary>The metric with all layers quantized but these.</summary>
    public double Except(params IReadOnlyList<LayerSwitch> exact) => Measure(AllBut, exact, layer => !exact.Contains(layer));

    private double Measure(string kind, IReadOnlyList<LayerSwitch> named, Func<LayerSwitch, bool> quantize)
    {
        var ids = named.Select(layer => layer.Id).ToList();
        if (log.Find(kind, ids) is not { } value)
        {
            foreach (var layer in layers)
                layer.IsQuantized = quantize(layer);
            value = metric();
            log.Add(kind, ids, value);
        }

        Done?.Invoke();
        return value;
    }
}
