using Generated.Architectures;
using Generated.Layers;
using Generated.Quant.Recipes;

namespace Generated.Quant.Pipeline;

/// <summary>What takes in, in front of a site, what is moved out of its value.</summary>
internal enum Absorber
{
    /// <summary>Nothing: the value stays as it is.</summary>
    None,

    /// <summary>The norm that gives the value.</summary>
    Norm,

    /// <summary>The linear whose output the value is, through what lies between.</summary>
    Source,

    /// <summary>An operation inserted in front of every quantized linear.</summary>
    Inserted,
}

/// <summary>A linear and what the recipe does to it.</summary>
internal sealed record LinearPlan(LinearInfo Info, LayerChoice Choice)
{
    public string Path => Info.Path;

    public bool IsQuantized => !Choice.IsKept;
}

/// <summary>A value that linears read, and what is done to it. Everything follows from the emitted structure, nothing from names.</summary>
/// <param name="Site">Path of the first linear that reads it.</param>
/// <param name="Linears">All that read it.</param>
internal sealed record SitePlan(string Site, IReadOnlyList<LinearPlan> Linears)
{
    /// <summary>What takes in what is moved out of the value.</summary>
    public Absorber Absorber { get; private init; }

    /// <summary>The norm, where it absorbs.</summary>
    public NormGroup? Norm { get; private init; }

    /// <summary>The linears on both sides, where the source absorbs.</summary>
    public ScalePair? Pair { get; private init; }

    /// <summary>Whether an offset per channel is moved out.</summary>
    public bool Shifts { get; private init; }

    /// <summary>Whether a scale per channel is moved out.</summary>
    public bool Scales { get; private init; }

    /// <summary>Linears whose output is (or holds) an attention's values: of all that read this value, only they may be clipped, where there are any.</summary>
    public ScalePair? Values { get; private init; }

    /// <summary>Channels of the value.</summary>
    public int Width => Linears[0].Info.Input;

    /// <summary>The linears that are quantized.</summary>
    public IEnumerable<LinearPlan> Quantized => Linears.Where(linear => linear.IsQuantized);

    /// <summary>Whether anything is moved out of the value.</summary>
    public bool IsTransformed => Shifts || Scales;

    /// <summary>Format that the value gets; null where it stays in floating point.</summary>
    public ActivationFormat? Activations => Quantized.Select(linear => linear.Choice.Activations).FirstOrDefault(format => format is not null);

    /// <summary>Plans every site of a unit that has a quantized linear.</summary>
    public static IReadOnlyList<SitePlan> Of(QuantRecipe recipe, ModelStructure structure, Unit unit)
    {
        var linears = structure.Linears.Where(info => unit.Linears.ContainsKey(info.Path)).Select(info => new LinearPlan(info, Choose(recipe, info, unit.Block)));
        return [.. linears.GroupBy(linear => linear.Info.Site, StringComparer.Ordinal)
            .Select(group => new SitePlan(group.Key, [.. group]))
            .Where(site => site.Quantized.Any())
            .Select(site => site.WithTransform(recipe, structure, unit))];
    }

    private static LayerChoice Choose(QuantRecipe recipe, LinearInfo info, int block) =>
        // A tied head is the embedding's matrix; it is quantized only where the embedding's format says so, with it.
        LayerChoice.Of(recipe, info.Path, info.Name, info.TiedTo is not null, block);

    private SitePlan WithTransform(QuantRecipe recipe, ModelStructure structure, Unit unit)
    {
        var values = structure.ScalePairs.FirstOrDefault(p => p.Kind == ScalePairKind.Value && Linears.Any(l => l.Path == p.Source));
        var plan = this with { Values = values };
        var scales = recipe.Smooth is not null || recipe.Awq is not null;
        if (recipe.Shift is null && !scales)
            return plan;
        if (structure.NormGroups.FirstOrDefault(g => g.IsFoldable && Reads(g.Linears)) is { } norm && CanFold(unit, recipe.Shift is not null))
            return plan with { Absorber = Absorber.Norm, Norm = norm, Shifts = recipe.Shift is not null, Scales = scales };
        if (recipe.Awq is not null && recipe.Shift is not { AllLinears: true } && structure.ScalePairs.FirstOrDefault(p => Reads(p.Targets)) is { } pair && CanCross(pair, unit))
            return plan with { Absorber = Absorber.Source, Pair = pair, Scales = true };
        var (shiftsAll, scalesAll) = (recipe.Shift is { AllLinears: true }, recipe.Smooth is { AllLinears: true } || recipe.Awq is { AllLinears: true });
        return shiftsAll || scalesAll ? plan with { Absorber = Absorber.Inserted, Shifts = shiftsAll, Scales = scalesAll } : plan;
    }

    private bool Reads(IReadOnlyList<string> paths) => paths.Count == Linears.Count && Linears.All(linear => paths.Contains(linear.Path));

    /// <summary>Linears that stay dense have to be able to hold what the norm gives up: rows of length 1 cannot, and an offset needs a bias.</summary>
    private bool CanFold(Unit unit, bool shifts) => Linears.Where(linear => !linear.IsQuantized).All(linear =>
        unit.Linears[linear.Path].Linear is IMatrixLinear { HasUnitRows: false, IsTied: false } matrix && (!shifts || matrix.Bias is not null));

    /// <summary>Query heads that share a value head would need equal scales, which a search over single channels does not give.</summary>
    private static bool CanCross(ScalePair pair, Unit unit) =>
        (pair.Heads is null || pair.Heads.Queries == pair.Heads.Values) && unit.Linears.TryGetValue(pair.Source, out var source) && source.Linear is DenseLinear { HasUnitRows: false, TiedTo: null };
}
