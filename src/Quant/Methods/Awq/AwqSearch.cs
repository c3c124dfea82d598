using Generated.Quant.Recipes;

namespace Generated.Quant.Methods;

/// <summary>
/// AWQ's scales (Lin et al., 2023): s = mean|x|^r / √(max·min), r on a grid of [0, 1), with the least joint output error of all
/// linears that read the value. r = 0 changes nothing, so that the search never loses to rounding alone on the sample.
/// </summary>
internal static class AwqSearch
{
    /// <summary>The scales of x' = x / s, W' = W · s, all above zero.</summary>
    /// <exception cref="InvalidInputException">A value is NaN or infinite.</exception>
    public static float[] Scales(SiteProblem problem, AwqOptions options, Rounding rounding)
    {
        ArgumentNullException.ThrowIfNull(problem);
        ArgumentNullException.ThrowIfNull(options);
        using var error = new OutputError(problem, rounding, isRelative: false);
        var means = problem.Statistics.AbsMean;
        float[] best = [.. means.Select(_ => 1f)];
        var least = error.Of(best);
        for (var i = 1; i < options.Grid; i++)
        {
            var scales = Scales(means, (double)i / options.Grid);
            var found = error.Of(scales);
            if (found < least)
                (best, least) = (scales, found);
        }

        return best;
    }

    /// <summary>mean^r / √(max·min); a channel that was always zero gets the smallest scale of the others.</summary>
    internal static float[] Scales(float[] means, double ratio)
    {
        var powers = means.Select(mean => mean > 0 ? Math.Pow(mean, ratio) : double.PositiveInfinity).ToArray();
        var smallest = powers.Min();
        if (double.IsPositiveInfinity(smallest))
            return [.. means.Select(_ => 1f)];
        var middle = Math.Sqrt(smallest * powers.Where(double.IsFinite).Max());
        return [.. powers.Select(power => (float)Math.Clamp((double.IsFinite(power) ? power : smallest) / middle, 1e-5, 1e5))];
    }
}
