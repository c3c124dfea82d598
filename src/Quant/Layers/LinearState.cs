using Generated.Quant.Recipes;
using Generated.Quant.Weights;

namespace Generated.Quant.Layers;

/// <summary>
/// What an inserted operation does to a linear's input: x' = (x − <paramref name="Shift"/>) / <paramref name="Divisor"/> per channel
/// (Outlier Suppression+ and SmoothQuant where no norm in front can take them in).
/// </summary>
/// <param name="Shift">[in]; null for none.</param>
/// <param name="Divisor">[in], not zero; null for none.</param>
public sealed record InputTransform(float[]? Shift, float[]? Divisor);

/// <summary>Everything that is stored of one quantized linear, of the whole layer (not of one rank).</summary>
public sealed record LinearState
{
    /// <summary>The weight in integers, [out, in].</summary>
    public required QuantizedWeight Weight { get; init; }

    /// <summary>[out]; null for none. It may exist where the architecture declares none: a shift moves a part of the product here.</summary>
    public float[]? Bias { get; init; }

    /// <summary>What is done to the input first; null for nothing.</summary>
    public InputTransform? Input { get; init; }

    /// <summary>Format of the input behind <see cref="Input"/>; null for weight-only quantization.</summary>
    public ActivationFormat? Activations { get; init; }

    /// <summary>The scale of a static per-tensor format: codes are round(x / scale) within −128…127.</summary>
    public float? InputScale { get; init; }
}
