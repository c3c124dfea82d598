using Generated.Quant.Recipes;
using Generated.Quant.Weights;
using TorchSharp;
using static TorchSharp.torch;

namespace Generated.Quant.Methods;

/// <summary>
/// The scales and zero points of a weight: where its codes lie. Fitted to the weight's range, or to the share of it with the
/// least squared error (<see cref="WeightObserver.Mse"/>).
/// </summary>
internal sealed class WeightGrid : IDisposable
{
    private const double SmallestFraction = 0.3;
    private const double FractionStep = 0.02;
    private readonly int _groupSize;
    private readonly int _width;

    private WeightGrid(int bits, int width, int groupSize, Tensor scale, Tensor? zero)
    {
        (Bits, _width, _groupSize) = (bits, width, groupSize);
        (Scale, Zero) = (scale, zero);
    }

    /// <summary>Bits of a code.</summary>
    public int Bits { get; }

    /// <summary>[rows, groups], in the weight's type.</summary>
    public Tensor Scale { get; }

    /// <summary>[rows, groups], whole numbers in the weight's type; null where symmetric.</summary>
    public Tensor? Zero { get; }

    /// <summary>Columns of a group for a weight of some width.</summary>
    public static int GroupSize(WeightFormat format, int width) => format.Per == Granularity.Group ? Math.Min(format.GroupSize, width) : width;

    /// <summary>Fits a grid.</summary>
    /// <param name="weight">[rows, width], finite.</param>
    /// <param name="format">Bits, groups, symmetry and observer.</param>
    /// <param name="rounding">How zero points are rounded, and codes where an error is measured.</param>
    /// <param name="clip">[rows, groups], the largest magnitude that counts; null for no limit.</param>
    /// <param name="importance">[width], weight of each column's squared error; null for equal ones.</param>
    public static WeightGrid Fit(Tensor weight, WeightFormat format, Rounding rounding, Tensor? clip = null, Tensor? importance = null)
    {
        using var noGrad = no_grad();
        using var scope = NewDisposeScope();
        var width = (int)weight.shape[1];
        var groupSize = GroupSize(format, width);
        var groups = Grouped(weight, groupSize);
        var low = groups.amin([2]).clamp_max(0); // zero is always in the range, so that it stays exact (and padding counts for nothing)
        var high = groups.amax([2]).clamp_min(0);
        if (clip is not null)
            (low, high) = (maximum(low, clip.neg()), minimum(high, clip));
        if (format.Per == Granularity.Tensor)
            (low, high) = (low.amin().expand(low.shape), high.amax().expand(high.shape));
        if (format.Symmetric)
            low = (high = maximum(high, low.neg())).neg();
        var (scale, zero) = Place(low, high, format, rounding);
        if (format.Observer == WeightObserver.Mse)
            (scale, zero) = Shrink(groups, low, high, (scale, zero), format, rounding, importance is null ? null : Grouped(importance.unsqueeze(0), groupSize));
        return new WeightGrid(format.Bits, width, groupSize, scale.contiguous().DetachFromDisposeScope(), zero?.contiguous().DetachFromDisposeScope());
    }

    /// <summary>The grid of some rows; the caller's.</summary>
    public WeightGrid Rows(long start, long count)
    {
        using var scope = NewDisposeScope();
        return new WeightGrid(Bits, _width, _groupSize, Scale.narrow(0, start, count).DetachFromDisposeScope(), Zero?.narrow(0, start, count).DetachFromDisposeScope());
    }

    /// <summary>The codes of a weight, [rows, width], whole numbers in its type; the caller's.</summary>
    public Tensor Codes(Tensor weight, Rounding rounding)
    {
        using var scope = NewDisposeScope();
        var codes = Codes(Grouped(weight, _groupSize), Scale, Zero, Bits, rounding);
        return Ungrouped(codes, _width).MoveToOuterDisposeScope();
    }

    /// <summary>What codes stand for, [rows, width]; the caller's.</summary>
    public Tensor Dequantize(Tensor codes)
    {
        using var scope = NewDisposeScope();
        return Ungrouped(Values(Grouped(codes, _groupSize), Scale, Zero, Bits), _width).MoveToOuterDisposeScope();
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Scale.Dispose();
        Zero?.Dispose();
    }

    /// <summary>[rows, width] as [rows, groups, group size], a shorter last group padded with zeros.</summary>
    private static Tensor Grouped(Tensor values, int groupSize)
    {
        var (rows, width) = (values.shape[0], values.shape[1]);
        var groups = (width + groupSize - 1) / groupSize;
        var padding = groups * groupSize - width;
        return (padding == 0 ? values : nn.functional.pad(values, [0, padding])).reshape(rows, groups, groupSize);
    }

    private static Tensor Ungrouped(Tensor values, int width)
    {
        var flat = values.reshape(values.shape[0], -1);
        return flat.shape[1] == width ? flat : flat.narrow(1, 0, width).contiguous();
    }

    private static (Tensor Scale, Tensor? Zero) Place(Tensor low, Tensor high, WeightFormat format, Rounding rounding)
    {
        var steps = format.Symmetric ? (1 << (format.Bits - 1)) - 1 : (1 << format.Bits) - 1;
        var range = format.Symmetric ? high : high - low;
        // An empty range has no scale of its own, a subnormal one loses it: neither may become a division by zero.
        // Scales are kept in float32: codes are taken with the scale that they are read with.
        var scale = where(range > 0, (range / steps).clamp_min(1.1754943508222875e-38), ones_like(range)).to_type(ScalarType.Float32).to_type(range.dtype);
        return (scale, format.Symmetric ? null : Rounder.Round(low.neg() / scale, rounding).clamp(0, steps));
    }

    private static Tensor Codes(Tensor groups, Tensor scale, Tensor? zero, int bits, Rounding rounding)
    {
        // In place: of a large weight, each further copy counts.
        using var quotients = groups / scale.unsqueeze(2);
        var codes = Rounder.Round(quotients, rounding);
        _ = zero is null ? codes.add_(1 << (bits - 1)) : codes.add_(zero.unsqueeze(2));
        return codes.clamp_(0, (1 << bits) - 1);
    }

    private static Tensor Values(Tensor codes, Tensor scale, Tensor? zero, int bits) =>
        (zero is null ? codes - (1 << (bits - 1)) : codes - zero.unsqueeze(2)).mul_(scale.unsqueeze(2));

    private static (Tensor Scale, Tensor? Zero) Shrink(
        Tensor groups, Tensor low, Tensor high, (Tensor Scale, Tensor? Zero) whole, WeightFormat format, Rounding rounding, Tensor? importance)
    {
        var best = whole;
        var leastError = Error(whole);
        for (var fraction = 1 - FractionStep; fraction > SmallestFraction - FractionStep / 2; fraction -= FractionStep)
        {
            using var scope = NewDisposeScope();
            var (scale, zero) = Place(low * fraction, high * fraction, format, rounding);
            var error = Error((scale, zero));
            var better = error < leastError;
            leastError = where(better, error, leastError).MoveToOuterDisposeScope();
            best = (where(better, scale, best.Scale).MoveToOuterDisposeScope(), zero is null ? null : where(better, zero, best.Zero!).MoveToOuterDisposeScope());
        }

        return best;

        Tensor Error((Tensor Scale, Tensor? Zero) grid)
        {
            using var scope = NewDisposeScope();
            var codes = Codes(groups, grid.Scale, grid.Zero, format.Bits, rounding);
            var squares = Values(codes, grid.Scale, grid.Zero, format.Bits).sub_(groups);
            squares.mul_(squares);
            var error = (importance is null ? squares : squares * importance).sum(2);
            return (format.Per == Granularity.Tensor ? error.sum().expand(error.shape) : error).MoveToOuterDisposeScope();
        }
    }
}
