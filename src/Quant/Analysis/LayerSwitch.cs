using Generated.Architectures;
using Generated.Layers;
using Generated.Quant.Layers;
using Generated.Quant.Pipeline;

namespace Generated.Quant.Analysis;

/// <summary>A linear of a model in memory that can be the exact or the quantized one. Both compute on the same input.</summary>
/// <param name="slot">Its place.</param>
/// <param name="exact">The linear in floating point, what was moved into or out of its weight included.</param>
/// <param name="quantized">Its quantized form.</param>
/// <param name="state">What the quantized form was made of.</param>
/// <param name="report">What its quantization did.</param>
internal sealed class LayerSwitch(LinearSlot slot, Linear exact, QuantizedLinear quantized, LinearState state, LinearReport report) : IDisposable
{
    /// <summary>Its name as recipes write it: <c>LlamaBlock.Mlp.Down@3</c>.</summary>
    public string Id { get; } = LayerTrials.Id(slot.Path, slot.Block);

    /// <summary>Index of its block; −1 outside blocks.</summary>
    public int Block => slot.Block;

    /// <summary>What its quantization did.</summary>
    public LinearReport Report => report;

    /// <summary>What the quantized form was made of.</summary>
    public LinearState State => state;

    /// <summary>The quantized form.</summary>
    public QuantizedLinear Quantized => quantized;

    /// <summary>Whether the quantized form is in its place.</summary>
    public bool IsQuantized
    {
        get => ReferenceEquals(slot.Linear, quantized);
        set => slot.Linear = value ? quantized : exact;
    }

    /// <summary>Frees the form that is not in the model, which frees the other.</summary>
    public void Dispose()
    {
        if (IsQuantized)
            exact.Dispose();
        else
            quantized.Dispose();
    }
}
