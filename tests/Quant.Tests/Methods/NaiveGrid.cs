using Generated.Quant.Recipes;

namespace Quant.Tests.Methods;

/// <summary>The tests' own definition of a weight's scales and codes: one group at a time, in plain loops.</summary>
internal static class NaiveGrid
{
    public static float Round(double value, Rounding rounding) =>
        (float)Math.Round(value, rounding == Rounding.ToEven ? MidpointRounding.ToEven : MidpointRounding.AwayFromZero);

    /// <summary>Scale and zero point of values that share them.</summary>
    public static (float Scale, int Zero) Fit(IReadOnlyList<double> values, WeightFormat format, Rounding rounding, double clip = double.PositiveInfinity)
    {
        var low = Math.Max(-clip, Math.Min(0, values.Min()));
        var high = Math.Min(clip, Math.Max(0, values.Max()));
        var whole = Place(low, high, format, rounding);
        if (format.Observer == WeightObserver.AbsMax)
            return whole;
        var best = whole;
        var least = Error(whole);
        for (var step = 1; step <= 35; step++)
        {
            var grid = Place(low * (1 - step * 0.02), high * (1 - step * 0.02), format, rounding);
            if (Error(grid) < least)
                (least, best) = (Error(grid), grid);
        }

        return best;

        double Error((float Scale, int Zero) grid) => values.Sum(v => Math.Pow(v - (Code(v, grid, format, rounding) - grid.Zero) * (double)grid.Scale, 2));
    }

    public static int Code(double value, (float Scale, int Zero) grid, WeightFormat format, Rounding rounding) =>
        (int)Math.Clamp(Round((float)value == value ? (float)value / grid.Scale : value / grid.Scale, rounding) + grid.Zero, 0, (1 << format.Bits) - 1);

    private static (float, int) Place(double low, double high, WeightFormat format, Rounding rounding)
    {
        if (format.Symmetric)
        {
            var largest = Math.Max(high, -low);
            return (largest > 0 ? (float)(largest / ((1 << (format.Bits - 1)) - 1)) : 1, 1 << (format.Bits - 1));
        }

        var maxCode = (1 << format.Bits) - 1;
        var scale = high > low ? (float)((high - low) / maxCode) : 1;
        return (scale, (int)Math.Clamp(Round((float)-low / scale, rounding), 0, maxCode));
    }
}
