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
    /// <summary>Quantizes a weight.</summary>
    /// <param name="weight">[out, in].</param>
    /// <param name="hessian">Of its input.</param>
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
        var h = hessian.ToTensor();
        var wide = checkedWeight.to(h.device).to_type(h.dtype);
        var nearest = Nearest(wide, format, rounding, clip);
        var diagonal = h.diagonal().to_type(ScalarType.Float64).cpu().contiguous().data<double>().ToArray();
        var dead = diagonal.Count(d => d == 0);
        if (dead == diagonal.Length)
            throw new InvalidInputException("Every input of the weight was zero on all calibration tokens; calibrate on other text.");

        var order = options.ActOrder ? Enumerable.Range(0, hessian.Width).OrderByDescending(c => diagonal[c]).ToArray() : null;
        var loop = new ColumnLoop(format, options, rounding, order, clip);
        using var factor = Factor(h, order, options.Damping);
        var (codes, scale, zero, groupIndex) = loop.Run(wide, factor.Upper);
        var result = ToWeight(codes, scale, zero, groupIndex, format);
        var values = tensor(result.Dequantize()).reshape(wide.shape).to(h.device).to_type(h.dtype);
        var error = RelativeError(wide, values, h);
        if (!double.IsFinite(error))
            throw new GeneratedException(FormattableString.Invariant($"GPTQ has diverged: the output error is {error}; raise the damping above {options.Damping}."));
        return new GptqResult(result, factor.Damping, factor.Escalations, dead, error, RelativeError(wide, nearest, h));
    }

    private static InverseFactor Factor(Tensor h, int[]? order, double damping)
    {
        using var scope = NewDisposeScope();
        var mean = h.diagonal().mean();
        // An input that is always zero has no say: any positive diagonal keeps it out of the others' way.
        h.diagonal().copy_(where(h.diagonal() == 0, mean, h.diagonal()));
        if (order is null)
            return InverseFactor.Of(h, damping);
        var places = tensor(order.Select(c => (long)c).ToArray(), device: h.device);
        return InverseFactor.Of(h.index_select(0, places).index_select(1, places), damping);
    }

    private static Tensor Nearest(Tensor weight, WeightFormat format, Rounding rounding, Tensor? clip)
    {
        using var scope = NewDisposeScope();
        var clipped = clip?.to(weight.device).to_type(weight.dtype);
        return FakeQuantize.Weight(weight, format, rounding, clipped).MoveToOuterDisposeScope();
    }

    /// <summary>tr(D·H·Dᵀ) / tr(W·H·Wᵀ) for D = W − Q.</summary>
    private static double RelativeError(Tensor weight, Tensor quantized, Tensor h)
    {
        using var scope = NewDisposeScope();
        var difference = weight - quantized;
        var error = (difference.matmul(h) * difference).sum(ScalarType.Float64).item<double>();
        var whole = (weight.matmul(h) * weight).sum(ScalarType.Float64).item<double>();
        return whole > 0 ? error / whole : 0;
    }

    private static QuantizedWeight ToWeight(Tensor codes, Tensor scale, Tensor? zero, int[]? groupIndex, WeightFormat format) => new(
        (int)codes.shape[0], (int)codes.shape[1], format.Bits, WeightGrid.GroupSize(format, (int)codes.shape[1]),
        codes.to_type(ScalarType.Byte).cpu().contiguous().data<byte>().ToArray(),
        scale.to_type(ScalarType.Float32).cpu().contiguous().data<float>().ToArray(),
        zero?.to_type(ScalarType.Byte).cpu().contiguous().data<byte>().ToArray(),
        groupIndex);
}
