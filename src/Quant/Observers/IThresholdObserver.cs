using Generated.Quant.Recipes;
using static TorchSharp.torch;

namespace Generated.Quant.Observers;

/// <summary>Watches a value over calibration and says where its codes end: an 8 bit scale is <c>threshold / 127</c>.</summary>
internal interface IThresholdObserver : IDisposable
{
    /// <summary>Adds one sample: the real tokens of one sequence.</summary>
    /// <param name="rows">[n, width], the caller's; padded tokens left out.</param>
    /// <exception cref="InvalidInputException">A value is NaN or infinite.</exception>
    void Add(Tensor rows);

    /// <summary>The threshold over everything added: above 0, or 0 where every value was.</summary>
    /// <exception cref="InvalidInputException">Nothing was added.</exception>
    double Threshold();
}

/// <summary>Creates observers.</summary>
internal static class ThresholdObservers
{
    /// <summary>Bins of a histogram between zero and the largest magnitude, at least.</summary>
    public const int Bins = 2048;

    /// <summary>Share of magnitudes that <see cref="ActivationObserver.Histogram"/> keeps.</summary>
    public const double Percentile = 0.9999;

    /// <summary>An observer of a whole value.</summary>
    public static IThresholdObserver Create(ActivationObserver kind) => kind switch
    {
        ActivationObserver.AbsMax => new AbsMaxObserver(),
        ActivationObserver.Average => new AverageObserver(),
        ActivationObserver.Histogram => new PercentileObserver(Percentile),
        ActivationObserver.Kl => new KlObserver(),
        ActivationObserver.Mse => new LeastErrorObserver(squared: true),
        ActivationObserver.Emd => new LeastErrorObserver(squared: false),
        _ => throw new ArgumentOutOfRangeException(nameof(kind), kind, null),
    };

    /// <summary>An observer for each section of a value's channels: one channel, a group, a head.</summary>
    /// <param name="kind">How each threshold is chosen.</param>
    /// <param name="width">Channels of the value.</param>
    /// <param name="sectionWidth">Channels of a section; a last one may be shorter.</param>
    public static SectionObserver CreateSections(ActivationObserver kind, int width, int sectionWidth) => new(kind, width, sectionWidth);
}
