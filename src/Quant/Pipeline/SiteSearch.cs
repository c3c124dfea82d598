using Generated.Quant.Calibration;
using Generated.Quant.Methods;
using Generated.Quant.Recipes;
using static TorchSharp.torch;

namespace Generated.Quant.Pipeline;

/// <summary>Finds what is moved out of a value: the offsets first, then the scales of what is left.</summary>
internal static class SiteSearch
{
    /// <summary>The offsets of a site, or null.</summary>
    public static float[]? Shift(SitePlan site, SiteRecord record, QuantRecipe recipe) =>
        site.Shifts ? Shifting.Offsets(record.Statistics!, recipe.Shift!) : null;

    /// <summary>The scales of a site, or null: one vector for all linears that read the value, found for all of them together.</summary>
    /// <param name="unit">Holds the weights, which are still unchanged.</param>
    /// <param name="site">The value.</param>
    /// <param name="record">What calibration saw of it.</param>
    /// <param name="shift">Offsets that will be moved out.</param>
    /// <param name="recipe">The method.</param>
    public static float[]? Scales(Unit unit, SitePlan site, SiteRecord record, float[]? shift, QuantRecipe recipe)
    {
        if (!site.Scales)
            return null;
        using var noGrad = no_grad();
        using var scope = NewDisposeScope();
        var quantized = site.Quantized.ToList();
        var sample = record.Sample.ToTensor();
        var statistics = record.Statistics!;
        if (shift is not null)
        {
            sample = sample - tensor(shift, device: sample.device);
            statistics = Moved(statistics, shift, sample, recipe);
        }

        var problem = new SiteProblem(
            sample, statistics, [.. quantized.Select(linear => Folding.Matrix(unit, linear.Path))], quantized[0].Choice.Weights, site.Activations);
        return recipe.Awq is { } awq ? AwqSearch.Scales(problem, awq, recipe.Rounding) : Smoothing.Scales(problem, recipe.Smooth!, recipe.Rounding);
    }

    /// <summary>Extremes follow from those of the unshifted value; mean magnitudes, which AWQ needs, do not and are taken from the sample.</summary>
    private static ChannelStatistics Moved(ChannelStatistics statistics, float[] shift, Tensor sample, QuantRecipe recipe)
    {
        if (recipe.Awq is null)
            return statistics.Shifted(shift);
        var measured = new ChannelStatistics(statistics.Width);
        measured.Add(sample);
        return measured;
    }
}
