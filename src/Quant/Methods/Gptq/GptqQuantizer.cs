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

    /// <summary>Quantizes a weight.</summary>
    /// <param name="weight">[out, in].</param>
    /// <param name="hessian">Of its input; factored in place, for all weights that read it.</param>
    /// <param name="format">The format; scales of a group are fitted when its first column is reached, to the weights as they then are.</param>
    /// <param name="options">Damping, order of columns, block size.</param>
    /// <param name="rounding">How values between two codes are rounded.</param>
    /// <param name="clip">[out, groups], the largest magnitude that counts (<see cref="AutoClip"/>), by groups of columns in order; null for no limit.</param>
    /// <exception cref="InvalidInputException">The weight holds NaN or infinity, or there was no calibration.</exception>
    /// <exception cref="GeneratedException">The Hessian cannot be factored.</exception>
    public static GptqResult Quantize(Tensor weight, Hessian hessian, WeightFormat format, GptqOptions options, Rounding rounding, Tensor? clip = null)
    {
        ArgumentNullException.ThrowIfNull(hessian);
        ArgumentNullException.ThrowIfNull(options);
        using var noGrad = no_grad();
        using var scope = NewDisposeScope();
        var checkedWeight = RoundToNearest.Checked(weight);
        if (checkedWeight.shape[1] != hessian.Width)
            throw new ArgumentException($"A Hessian of {hessian.Width} channels for a weight of {checkedWeight.shape[1]} inputs.", nameof(hessian));
        var factored = hessian.Factored(options);
        var loop = new ColumnLoop(format, options, rounding, factored.Order, clip);
        var (codes, scale, zero, groupIndex) = loop.Run(checkedWeight, factored.Upper);
        var result = ToWeight(codes, scale, zero, groupIndex, format);
        var (error, nearestError) = Errors(checkedWeight, result, factored, format, rounding, clip);
        if (!double.IsFinite(error))
            throw new GeneratedException(FormattableString.Invariant($"GPTQ has diverged: the output error is {error}; raise the damping above {options.Damping}."));
        return new GptqResult(result, factored.Damping, factored.Escalations, factored.DeadColumns, error, nearestError);
    }

    /// <summary>tr(D·H·Dᵀ) / tr(W·H·Wᵀ) for D = W − Q, of the result and of rounding to nearest; some rows of the weight at a time.</summary>
    private static (double Result, double Nearest) Errors(
        Tensor weight, QuantizedWeight result, FactoredHessian factored, WeightFormat format, Rounding rounding, Tensor? clip)
    {
        var (device, type) = (factored.Upper.device, factored.Upper.dtype);
        using var scope = NewDisposeScope();
        using var grid = WeightGrid.Fit(weight, format, rounding, clip?.to(weight.device).to_type(weight.dtype));
        var (error, nearestError, whole) = (0.0, 0.0, 0.0);
        for (var start = 0; start < result.OutWidth; start += RowsAtOnce)
        {
            using var inner = NewDisposeScope();
            var count = Math.Min(RowsAtOnce, result.OutWidth - start);
            var rows = weight.narrow(0, start, count);
            using var rowGrid = grid.Rows(start, count);
            var nearest = rowGrid.Dequantize(rowGrid.Codes(rows, rounding)).to(device).to_type(type);
            var values = tensor(result.Dequantize(start, count)).reshape(rows.shape).to(device).to_type(type);
            var wide = rows.to(device).to_type(type);
            error += factored.Energy(wide - values);
            nearestError += factored.Energy(wide - nearest);
            whole += factored.Energy(wide);
        }

        return whole > 0 ? (error / whole, nearestError / whole) : (0, 0);
    }

    private static QuantizedWeight ToWeight(Tensor codes, Tensor scale, Tensor? zero, int[]? groupIndex, WeightFormat format) => new(
        (int)codes.shape[0], (int)codes.shape[1], format.Bits, WeightGrid.GroupSize(format, (int)codes.shape[1]),
        codes.to_type(ScalarType.Byte).cpu().contiguous().data<byte>().ToArray(),
        scale.to_type(ScalarType.Float32).cpu().contiguous().data<float>().ToArray(),
        zero?.to_type(ScalarType.Byte).cpu().contiguous().data<byte>().ToArray(),
        groupIndex);
}
