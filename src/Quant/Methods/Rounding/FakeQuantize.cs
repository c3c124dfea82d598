using Generated.Quant.Recipes;
using TorchSharp;
using static TorchSharp.torch;

namespace Generated.Quant.Methods;

/// <summary>Values as they are after quantization, still in floating point: what searches measure and what kernels compute.</summary>
internal static class FakeQuantize
{
    /// <summary>The largest code of an activation.</summary>
    public const int Limit = 127;

    /// <summary>The scale of an 8 bit code for a threshold; 1 where nothing was ever seen but zero.</summary>
    public static float Int8Scale(double threshold) => threshold > 0 ? (float)Math.Max(threshold / Limit, 1.1754943508222875e-38) : 1;

    /// <summary>x with one static scale; values beyond the codes are clipped to −128 or 127 of them.</summary>
    public static Tensor Static(Tensor x, float scale, Rounding rounding)
    {
        using var scope = NewDisposeScope();
        return Rounder.Round(x / scale, rounding).clamp(-Limit - 1, Limit).mul(scale).MoveToOuterDisposeScope();
    }

    /// <summary>x with a scale per token, its largest magnitude / 127. x is [..., width].</summary>
    public static Tensor PerToken(Tensor x, Rounding rounding)
    {
        using var scope = NewDisposeScope();
        var scale = x.abs().amax([-1], keepdim: true) / Limit;
        scale = where(scale > 0, scale.clamp_min(1.1754943508222875e-38), ones_like(scale));
        return Rounder.Round(x / scale, rounding).clamp(-Limit, Limit).mul(scale).MoveToOuterDisposeScope();
    }

    /// <summary>x with a static scale per section of its last axis (heads of keys or values, channels, groups).</summary>
    /// <param name="x">[..., width].</param>
    /// <param name="scales">One per section of width / count channels.</param>
    /// <param name="rounding">How values between two codes are rounded.</param>
    public static Tensor PerSection(Tensor x, IReadOnlyList<float> scales, Rounding rounding)
    {
        using var scope = NewDisposeScope();
        var scale = tensor(scales.ToArray(), device: x.device).unsqueeze(-1);
        var sections = x.reshape([.. x.shape[..^1], scales.Count, x.shape[^1] / scales.Count]);
        return Rounder.Round(sections / scale, rounding).clamp(-Limit - 1, Limit).mul(scale).reshape(x.shape).MoveToOuterDisposeScope();
    }

    /// <summary>A weight rounded to nearest, [out, in] in its type; finite.</summary>
    public static Tensor Weight(Tensor weight, WeightFormat format, Rounding rounding, Tensor? clip = null)
    {
        using var scope = NewDisposeScope();
        using var grid = WeightGrid.Fit(weight, format, rounding, clip);
        return grid.Dequantize(grid.Codes(weight, rounding)).MoveToOuterDisposeScope();
    }
}
