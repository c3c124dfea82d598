using Generated.Quant.Calibration;
using Generated.Quant.Recipes;
using Generated.Quant.Weights;
using TorchSharp;
using static TorchSharp.torch;

namespace Generated.Quant.Methods;

/// <summary>Quantizes every weight to the nearest code.</summary>
internal static class RoundToNearest
{
    /// <summary>Weights rounded at a time: a head may be as large as many blocks, and what rounding computes on the way several times as large.</summary>
    private const long WeightsAtOnce = 1 << 22;

    /// <summary>Quantizes a weight.</summary>
    /// <param name="weight">[out, in], any floating type; computed in float32 or wider.</param>
    /// <param name="format">The format.</param>
    /// <param name="rounding">How values between two codes are rounded.</param>
    /// <param name="clip">[out, groups], the largest magnitude that counts (<see cref="AutoClip"/>); null for no limit.</param>
    /// <exception cref="InvalidInputException">The weight holds NaN or infinity.</exception>
    public static QuantizedWeight Quantize(Tensor weight, WeightFormat format, Rounding rounding, Tensor? clip = null)
    {
        ArgumentNullException.ThrowIfNull(weight);
        using var noGrad = no_grad();
        if (format.Per == Granularity.Tensor || weight.dim() != 2 || weight.numel() <= WeightsAtOnce)
            return Part(weight, format, rounding, clip);
        // Rows have scales of their own.
        var parts = new List<QuantizedWeight>();
        var (rows, most) = (weight.shape[0], Math.Max(1, WeightsAtOnce / weight.shape[1]));
        for (var start = 0L; start < rows; start += most)
        {
            using var part = weight.narrow(0, start, Math.Min(most, rows - start));
            using var limits = clip?.narrow(0, start, Math.Min(most, rows - start));
            parts.Add(Part(part, format, rounding, limits));
        }

        return QuantizedWeight.Stack(parts);
    }

    private static QuantizedWeight Part(Tensor weight, WeightFormat format, Rounding rounding, Tensor? clip)
    {
        using var scope = NewDisposeScope();
        var wide = Checked(weight);
        using var grid = WeightGrid.Fit(wide, format, rounding, clip);
        return grid.ToWeight(grid.Codes(wide, rounding));
    }

    /// <summary>A weight in float32 or wider, checked.</summary>
    internal static Tensor Checked(Tensor weight)
    {
        ArgumentNullException.ThrowIfNull(weight);
        if (weight.dim() != 2 || weight.numel() == 0)
            throw new ArgumentException($"A weight of [{string.Join(", ", weight.shape)}] is no matrix.", nameof(weight));
        Finite.Require(weight, "The weights");
        return weight.dtype is ScalarType.Float64 ? weight : weight.to_type(ScalarType.Float32);
    }
}
