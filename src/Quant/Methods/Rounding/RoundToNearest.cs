using Generated.Layers;
using Generated.Native;
using Generated.Quant.Calibration;
using Generated.Quant.Recipes;
using Generated.Quant.Weights;
using TorchSharp;
using static TorchSharp.torch;

namespace Generated.Quant.Methods;

/// <summary>Quantizes every weight to the nearest code.</summary>
internal static class RoundToNearest
{
    private const int PartsBetweenReturns = 8;

    /// <summary>Quantizes a weight.</summary>
    /// <param name="weight">[out, in], any floating type; computed in float32 or wider.</param>
    /// <param name="format">The format.</param>
    /// <param name="rounding">How values between two codes are rounded.</param>
    /// <param name="clip">[out, groups], the largest magnitude that counts (<see cref="AutoClip"/>); null for no limit.</param>
    /// <exception cref="InvalidInputException">The weight holds NaN or infinity.</exception>
    public static QuantizedWeight Quantize(Tensor weight, WeightFormat format, Rounding rounding, Tensor? clip = null)
    {
        RequireMatrix(weight);
        return Quantize(new TensorRows(weight), format, rounding, clip);
    }

    /// <summary>The same of a weight whose rows are read when needed.</summary>
    public static QuantizedWeight Quantize(IWeightRows weight, WeightFormat format, Rounding rounding, Tensor? clip = null)
    {
        using var noGrad = no_grad();
        var whole = new StackedWeight(weight.OutWidth, weight.InWidth, format);
        var parts = 0;
        // Rows have scales of their own, but for a format with one scale.
        foreach (var (start, count) in weight.Ranges(format.Per == Granularity.Tensor ? long.MaxValue : WeightRows.AtOnce))
        {
            using var scope = NewDisposeScope();
            var rows = Checked(weight.Rows(start, count));
            using var grid = WeightGrid.Fit(rows, format, rounding, clip?.narrow(0, start, count));
            whole.Add(grid.Codes(rows, rounding), grid.Scale, grid.Zero);
            if (++parts % PartsBetweenReturns == 0)
                UnusedMemory.ReturnFreed();
        }

        return whole.Whole;
    }

    /// <summary>A weight in float32 or wider, checked.</summary>
    internal static Tensor Checked(Tensor weight)
    {
        RequireMatrix(weight);
        Finite.Require(weight, "The weights");
        return weight.dtype is ScalarType.Float64 ? weight : weight.to_type(ScalarType.Float32);
    }

    private static void RequireMatrix(Tensor weight)
    {
        ArgumentNullException.ThrowIfNull(weight);
        if (weight.dim() != 2 || weight.numel() == 0)
            throw new ArgumentException($"A weight of [{string.Join(", ", weight.shape)}] is no matrix.", nameof(weight));
    }
}
