using Generated.Quant.Recipes;

namespace Generated.Quant.Pipeline;

/// <summary>What a recipe wants to see of calibration tokens.</summary>
/// <param name="recipe">The recipe.</param>
internal sealed class CalibrationNeeds(QuantRecipe recipe)
{
    /// <summary>
    /// Whether units run on what quantized units before them give. GPTQ makes up for errors and so has to see those that its input
    /// brings; static scales and searches have to see the values of the model that is approximated: taken behind rounded layers, a
    /// range holds their errors too and is too wide, and the error compared is not the layer's own.
    /// </summary>
    public bool SeesQuantized => recipe.Gptq is not null;

    /// <summary>Whether values of the exact model are looked at.</summary>
    public bool SeesExact => !SeesQuantized || Transforms;

    /// <summary>Whether some threshold is that of a value which offsets and scales have been moved out of, and does not follow from what was seen before.</summary>
    public bool SeesMoved => !SeesQuantized && Transforms && (Kinds.Count > 0 || (recipe is { KvCache: not null, Awq: not null }));

    /// <summary>Observers of static scales, but the largest magnitude, which statistics tell.</summary>
    public IReadOnlyList<ActivationObserver> Kinds { get; } =
    [
        .. recipe.Overrides.Select(o => o.Activations).Append(recipe.Activations)
            .Where(format => format is { Per: ActivationGranularity.Tensor, Observer: not ActivationObserver.AbsMax }).Select(format => format!.Observer).Distinct().Order(),
    ];

    /// <summary>Observers of cached keys and values.</summary>
    public IReadOnlyList<ActivationObserver> CacheKinds { get; } = recipe.KvCache is { } cache ? [cache.Observer] : [];

    private bool Transforms => recipe.Shift is not null || recipe.Smooth is not null || recipe.Awq is not null;
}
