using Generated.Layers;
using Generated.Native;
using Generated.Quant.Recipes;
using Generated.Quant.Weights;
using TorchSharp;
using static TorchSharp.torch;

namespace Generated.Quant.Methods;

/// <summary>
/// GPTQ (Frantar et al., 2022): columns are quantized one after the other, and what each loses is made up for by those not yet
/// quantized, as the inverse Hessian says. Updates of columns beyond the current block are made at its end.
/// </summary>
internal static class GptqQuantizer
{
    private const int RowsAtOnce = 512;

    /// <summary>Weights whose columns are updated at a time where they are in parts: each part goes through all columns, which takes its time.</summary>
    private const long WeightsAtOnce = 1 << 24;

    /// <summary>Most weights that are quantized whole, as every block's matrices are.</summary>
    private const long MostWhole = 1 << 26;

    /// <summary>Quantizes a weight.</summary>
    /// <param name="weight">[out, in].</param>
    /// <param name="hessian">Of its input; factored in place, for all weights that read it.</param>
    /// <param name="format">The format; scales of a group are fitted when its first column is reached, to the weights as they then are.</param>
    /// <param name="options">Damping, order of columns, block size.</param>
    /// <param name="rounding">How values between two codes are rounded.</param>
    /// <param name="clip">[out, groups], the largest magnitude that counts (<see cref="AutoClip"/>), by groups of columns in order; null for no limit.</param>
    /// <param name="weightsAtOnce">Most weights whose columns are updated together; null for as many as suit the weight.</param>
    /// <exception cref="InvalidInputException">The weight holds NaN or infinity, or there was no calibration.</exception>
    /// <exception cref="GeneratedException">The Hessian cannot be factored.</exception>
    public static GptqResult Quantize(
        IWeightRows weight, Hessian hessian, WeightFormat format, GptqOptions options, Rounding rounding, Tensor? clip = null, long? weightsAtOnce = null)
    {
        ArgumentNullException.ThrowIfNull(weight);
        ArgumentNullException.ThrowIfNull(hessian);
        ArgumentNullException.ThrowIfNull(options);
        using var noGrad = no_grad();
        if (weight.InWidth != hessian.Width)
            throw new ArgumentException($"A Hessian of {hessian.Width} channels for a weight of {weight.InWidth} inputs.", nameof(hessian));
        var factored = hessian.Factored(options);
        var whole = new StackedWeight(weight.OutWidth, weight.InWidth, format);
        var energies = default(Energies);
        // Rows do not know of each other, but for a format with one scale.
        var isWhole = format.Per == Granularity.Tensor || (long)weight.OutWidth * weight.InWidth <= MostWhole;
        foreach (var (start, count) in weight.Ranges(weightsAtOnce ?? (isWhole ? long.MaxValue : WeightsAtOnce)))
        {
            using var scope = NewDisposeScope();
            var rows = RoundToNearest.Checked(weight.Rows(start, count));
            var limits = clip?.narrow(0, start, count);
            var (codes, scale, zero, groupIndex) = new ColumnLoop(format, options, rounding, factored.Order, limits).Run(rows, factored.Upper);
            whole.Add(codes, scale, zero, groupIndex);
            energies += EnergiesOf(rows, whole, start, factored, format, rounding, limits);
        }

        var (error, nearestError) = energies.Whole > 0 ? (energies.Result / energies.Whole, energies.Nearest / energies.Whole) : (0, 0);
        if (!double.IsFinite(error))
            throw new GeneratedException(FormattableString.Invariant($"GPTQ has diverged: the output error is {error}; raise the damping above {options.Damping}."));
        return new GptqResult(whole.Whole, factored.Damping, factored.Escalations, factored.DeadColumns, error, nearestError);
    }

    /// <summary>tr(D·H·Dᵀ) for D = W − Q of the result and of rounding to nearest, and tr(W·H·Wᵀ); some rows of the weight at a time.</summary>
    private static Energies EnergiesOf(
        Tensor weight, StackedWeight result, int first, FactoredHessian factored, WeightFormat format, Rounding rounding, Tensor? clip)
    {
        var (device, type) = (factored.Upper.device, factored.Upper.dtype);
        using var scope = NewDisposeScope();
        using var grid = WeightGrid.Fit(weight, format, rounding, clip?.to(weight.device).to_type(weight.dtype));
        var energies = default(Energies);
        for (var start = 0; start < weight.shape[0]; start += RowsAtOnce)
        {
            using var inner = NewDisposeScope();
            var count = (int)Math.Min(RowsAtOnce, weight.shape[0] - start);
            var rows = weight.narrow(0, start, count);
            using var rowGrid = grid.Rows(start, count);
            var nearest = rowGrid.Dequantize(rowGrid.Codes(rows, rounding)).to(device).to_type(type);
            var values = result.Dequantize(first + start, count, device).to_type(type);
            var wide = rows.to(device).to_type(type);
            energies += new Energies(factored.Energy(wide - values), factored.Energy(wide - nearest), factored.Energy(wide));
        }

        return energies;
    }

    private readonly record struct Energies(double Result, double Nearest, double Whole)
    {
        public static Energies operator +(Energies a, Energies b) => new(a.Result + b.Result, a.Nearest + b.Nearest, a.Whole + b.Whole);
    }
}
