using Generated.Layers;
using Generated.Quant.Layers;
using Generated.Quant.Methods;
using Generated.Quant.Pipeline;
using Generated.Quant.Recipes;
using TorchSharp;
using static TorchSharp.torch;

namespace Generated.Quant.Analysis;

/// <summary>A layer's values before and after quantization. Those after are what its integers stand for, offsets and scales moved as the recipe says.</summary>
/// <param name="Id">The layer as recipes write it.</param>
/// <param name="Weights">Its weight.</param>
/// <param name="Inputs">Its input on calibration tokens.</param>
internal sealed record LayerStatistics(string Id, BeforeAfter Weights, BeforeAfter Inputs);

/// <summary>Values before and after quantization.</summary>
internal sealed record BeforeAfter(ValueSummary Before, ValueSummary After);

/// <summary>Statistics of weights and of linears' inputs.</summary>
internal static class LayerValues
{
    /// <summary>Values of a weight that are sampled.</summary>
    private const long SampledWeights = 1 << 14;

    /// <summary>Statistics of a weight as it is used, in floating point or in integers.</summary>
    public static ValueSummary OfWeight(Linear linear)
    {
        using var noGrad = no_grad();
        using var scope = NewDisposeScope();
        var weight = linear switch
        {
            QuantizedLinear quantized => quantized.Dequantize(),
            DenseLinear { HasUnitRows: true } dense => nn.functional.normalize(dense.Weight.Value, dim: 1),
            DenseLinear dense => dense.Weight.Value,
            _ => throw new ArgumentException($"A {linear.GetType().Name} has no weight of its own.", nameof(linear)),
        };
        var statistics = new ValueStatistics();
        statistics.Add(weight, "The weights");
        // An odd step visits every column, even of a matrix whose width is a power of two.
        var step = Math.Max(1, weight.numel() / SampledWeights) | 1;
        return statistics.Summarize(Floats(weight.flatten()[TensorIndex.Slice(0, null, step)]));
    }

    /// <summary>What becomes of a linear's input before its product: moved by an inserted operation, rounded.</summary>
    public static Tensor Rounded(LinearState state, Tensor rows)
    {
        var moved = state.Input is { } transform ? SiteRecord.Apply(transform, rows) : rows;
        return state.Activations switch
        {
            null => moved,
            { Per: ActivationGranularity.Tensor } => FakeQuantize.Static(moved, state.InputScale!.Value, Rounding.ToEven),
            _ => FakeQuantize.PerToken(moved, Rounding.ToEven),
        };
    }

    /// <summary>A tensor's values in float32 on the host.</summary>
    public static float[] Floats(Tensor values)
    {
        using var scope = NewDisposeScope();
        return values.to_type(ScalarType.Float32).cpu().contiguous().data<float>().ToArray();
    }
}
