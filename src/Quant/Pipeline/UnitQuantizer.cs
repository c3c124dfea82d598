using Generated.Architectures;
using Generated.Layers;
using Generated.Passes;
using Generated.Quant.Calibration;
using Generated.Quant.Layers;
using Generated.Quant.Methods;
using Generated.Quant.Observers;
using Generated.Quant.Recipes;
using TorchSharp;
using static TorchSharp.torch;

namespace Generated.Quant.Pipeline;

/// <summary>
/// Carries a recipe out on one unit: statistics of its values → offsets and scales are moved, and the unit proved to compute what it
/// did → statistics of what has become of its values → weights are rounded.
/// </summary>
/// <param name="recipe">The recipe, checked against the structure.</param>
/// <param name="structure">The model's.</param>
/// <param name="replaced">Takes over each linear whose place a quantized one has taken; null to dispose of it.</param>
internal sealed class UnitQuantizer(QuantRecipe recipe, ModelStructure structure, Action<LinearSlot, Linear>? replaced = null)
{
    private const float Int8 = 127;

    /// <summary>Tokens that a unit which gives logits is proved on.</summary>
    private const int ProvedTokens = 64;
    private readonly CalibrationNeeds _needs = new(recipe);

    /// <summary>Told each pass of calibration tokens over a unit that begins, for tests.</summary>
    public Action<int>? PassBegins { get; init; }

    /// <summary>Quantizes a unit in place.</summary>
    /// <param name="unit">The unit.</param>
    /// <param name="flow">Calibration tokens at it; null where the recipe needs none and there are none.</param>
    /// <param name="visits">Whether its pass reaches a site; the linears of sites that it does not are another unit's.</param>
    /// <param name="cancellation">Stops between batches.</param>
    public UnitResult Run(Unit unit, UnitFlow? flow, Func<string, bool> visits, CancellationToken cancellation)
    {
        using var noGrad = no_grad();
        var sites = SitePlan.Of(recipe, structure, unit).Where(site => visits(site.Site)).ToList();
        foreach (var linear in sites.SelectMany(site => site.Quantized))
            Untying.Untie(unit.Linears[linear.Path], unit.Context);
        if (flow is null)
            return WithoutCalibration(unit, sites);
        using var exact = Look(unit, flow, sites, visits, cancellation);
        var moved = sites.Any(site => site.IsTransformed) ? Transform(unit, flow.Prompt, sites, exact!, cancellation) : new Dictionary<string, InputTransform>();
        using var changed = _needs.SeesQuantized ? Follow(unit, flow.Followed!.Inputs, sites, cancellation) : LookAgain(unit, flow, sites, cancellation);
        var stage = new WeightStage(recipe, replaced);
        var results = new List<(string Path, LinearState State, LinearReport Report)>();
        foreach (var site in sites)
        {
            cancellation.ThrowIfCancellationRequested();
            using (var values = SiteValues.Of(site, unit, exact, moved.GetValueOrDefault(site.Site), changed))
                results.AddRange(stage.Run(unit, site, values));
            exact?.Sites.GetValueOrDefault(site.Site)?.Dispose();
            changed?.Sites.GetValueOrDefault(site.Site)?.Dispose();
        }

        if (flow is { Writes: true, Followed: { } followed })
            Pass(unit, followed.Inputs, null, [], followed.Write, cancellation);
        return Result(unit, results, changed is { KeyValues.Count: > 0 } ? changed : exact);
    }

    private UnitResult WithoutCalibration(Unit unit, List<SitePlan> sites)
    {
        var stage = new WeightStage(recipe, replaced);
        return Result(unit, [.. sites.SelectMany(site => stage.Run(unit, site, null))], null);
    }

    private UnitResult Result(Unit unit, List<(string Path, LinearState State, LinearReport Report)> linears, Observation? seen) => new(unit.Block)
    {
        Linears = linears.ToDictionary(r => r.Path, r => r.State, StringComparer.Ordinal),
        Reports = [.. linears.Select(r => r.Report)],
        KvScales = [.. unit.Context.Attentions.Select((_, i) => recipe.KvCache is { } cache && seen?.KeyValues.GetValueOrDefault(i)?[cache.Observer] is { } found
            ? new KvScales(Scales(found.Keys), Scales(found.Values))
            : null)],
    };

    /// <summary>Sees the unit's exact values, now or in an earlier run, and passes exact outputs on; null where nothing wants to see them.</summary>
    private Observation? Look(Unit unit, UnitFlow flow, IReadOnlyList<SitePlan> sites, Func<string, bool> visits, CancellationToken cancellation)
    {
        var write = flow is { Writes: true, Exact: { } stage } ? stage.Write : (Action<int, Tensor>?)null;
        if (flow.Known is { } known)
        {
            if (write is not null)
                Pass(unit, flow.Exact!.Inputs, null, [], write, cancellation);
            return known;
        }

        if (flow.Exact is null)
            return null;
        // What is kept for other recipes is of every value; otherwise only of those that are asked for.
        var all = flow.Store?.Store;
        var records = all is null
            ? sites.ToDictionary(site => site.Site, Record, StringComparer.Ordinal)
            : structure.Linears.Where(l => unit.Linears.ContainsKey(l.Path) && visits(l.Site)).GroupBy(l => l.Site, StringComparer.Ordinal)
                .ToDictionary(group => group.Key, group => Watched(group.First().Input, true, all.Kinds), StringComparer.Ordinal);
        var seen = new Observation(records);
        try
        {
            IReadOnlyList<ActivationObserver> cache = unit.Block < 0 ? [] : all is not null ? all.CacheKinds : _needs.CacheKinds;
            if (records.Count > 0 || cache.Count > 0 || write is not null)
                Pass(unit, flow.Exact.Inputs, seen, cache, write, cancellation);
            if (flow.Store is var (store, index))
                store.Save(index, seen, flow.Prompt);
            return seen;
        }
        catch
        {
            seen.Dispose();
            throw;
        }

        static SiteRecord Record(SitePlan site) => Watched(
            site.Width, site.IsTransformed || site.Activations is { Per: ActivationGranularity.Tensor, Observer: ActivationObserver.AbsMax },
            site is { IsTransformed: false, Activations: { Per: ActivationGranularity.Tensor, Observer: not ActivationObserver.AbsMax } format } ? [format.Observer] : []);

        static SiteRecord Watched(int width, bool statistics, IReadOnlyList<ActivationObserver> kinds) => new(width)
        {
            Statistics = statistics ? new ChannelStatistics(width) : null,
            Observers = kinds.ToDictionary(kind => kind, ThresholdObservers.Create),
        };
    }

    /// <summary>Sees the values from which offsets and scales have been moved, where what is asked of them does not follow from what they were; null where it does.</summary>
    private Observation? LookAgain(Unit unit, UnitFlow flow, IReadOnlyList<SitePlan> sites, CancellationToken cancellation)
    {
        var records = sites.Where(site => site is { IsTransformed: true, Activations: { Per: ActivationGranularity.Tensor, Observer: not ActivationObserver.AbsMax } })
            .ToDictionary(site => site.Site, site => new SiteRecord(site.Width)
            {
                Transform = unit.Inserted.GetValueOrDefault(site.Site),
                Observers = new Dictionary<ActivationObserver, IThresholdObserver> { [site.Activations!.Observer] = ThresholdObservers.Create(site.Activations.Observer) },
            }, StringComparer.Ordinal);
        // A scale that moves into the linear which gives an attention's values changes the cache too.
        var cache = sites.Any(site => site.Absorber == Absorber.Source) ? _needs.CacheKinds : [];
        return records.Count > 0 || cache.Count > 0 ? Seen(unit, flow.Exact!.Inputs, records, cache, cancellation) : null;
    }

    /// <summary>Sees the values behind quantized units.</summary>
    private Observation Follow(Unit unit, UnitInputs inputs, IReadOnlyList<SitePlan> sites, CancellationToken cancellation)
    {
        var records = sites.ToDictionary(site => site.Site, site => new SiteRecord(site.Width)
        {
            Transform = unit.Inserted.GetValueOrDefault(site.Site),
            Hessian = new Hessian(site.Width, unit.Context.Device),
            Observers = site.Activations is { Per: ActivationGranularity.Tensor } format
                ? new Dictionary<ActivationObserver, IThresholdObserver> { [format.Observer] = ThresholdObservers.Create(format.Observer) }
                : [],
        }, StringComparer.Ordinal);
        return Seen(unit, inputs, records, unit.Block < 0 ? [] : _needs.CacheKinds, cancellation);
    }

    private Observation Seen(Unit unit, UnitInputs inputs, IReadOnlyDictionary<string, SiteRecord> records, IReadOnlyList<ActivationObserver> cache, CancellationToken cancellation)
    {
        var seen = new Observation(records);
        try
        {
            if (records.Count > 0 || cache.Count > 0)
                Pass(unit, inputs, seen, cache, null, cancellation);
            return seen;
        }
        catch
        {
            seen.Dispose();
            throw;
        }
    }

    /// <summary>Moves offsets and scales out of the values, site by site, each proved.</summary>
    /// <returns>What was moved, by site.</returns>
    internal Dictionary<string, InputTransform> Transform(Unit unit, UnitPrompt prompt, IReadOnlyList<SitePlan> sites, Observation seen, CancellationToken cancellation)
    {
        var moved = new Dictionary<string, InputTransform>(StringComparer.Ordinal);
        var (input, first) = unit.MostRows(1) < int.MaxValue ? prompt.FirstTokens(ProvedTokens) : prompt.FirstRow();
        using (input)
        using (var proof = new FunctionProof(unit, input, first))
        {
            // All scales first: folding one site may change weights that another one's search reads.
            var found = sites.Where(site => site.IsTransformed).Select(site =>
            {
                cancellation.ThrowIfCancellationRequested();
                var record = seen.Sites[site.Site];
                var shift = SiteSearch.Shift(site, record, recipe);
                return (Site: site, Shift: shift, Scale: SiteSearch.Scales(unit, site, record, shift, recipe));
            }).ToList();
            foreach (var (site, shift, scale) in found)
            {
                Folding.Apply(unit, site, shift, scale);
                proof.Check($"{(site.Shifts ? "Shift" : "")}{(site.Shifts && site.Scales ? " and " : "")}{(site.Scales ? recipe.Awq is null ? "Smooth" : "Awq" : "")} at '{site.Site}'");
                moved.Add(site.Site, new InputTransform(shift, scale));
            }
        }

        return moved;
    }

    /// <summary>Runs all batches through the unit.</summary>
    private void Pass(Unit unit, UnitInputs inputs, Observation? seen, IReadOnlyList<ActivationObserver> cache, Action<int, Tensor>? write, CancellationToken cancellation)
    {
        PassBegins?.Invoke(unit.Block);
        var attentions = new Dictionary<Attention, KvRecord>();
        try
        {
            for (var i = 0; i < inputs.Count; i++)
            {
                cancellation.ThrowIfCancellationRequested();
                // What is behind the last unit is not kept: it may run on fewer rows at a time.
                foreach (var (batch, input, positions) in inputs.Parts(i, write is null ? unit.MostRows(inputs.Batch(i).Length) : int.MaxValue))
                {
                    using var tokens = new RealTokens(batch);
                    using var pass = new PassContext(positions) { Probe = seen is null ? null : new SiteRecorder(seen.Sites, cache.Count == 0 ? null : Attention, tokens) };
                    using var taken = input;
                    using var output = unit.Run(taken, pass);
                    write?.Invoke(i, output);
                }
            }

            foreach (var (layer, record) in attentions)
                seen!.KeyValues.Add(IndexOf(unit.Context.Attentions, layer), record.Thresholds());
        }
        finally
        {
            foreach (var record in attentions.Values)
                record.Dispose();
        }

        KvRecord Attention(Attention layer)
        {
            if (!attentions.TryGetValue(layer, out var record))
                attentions.Add(layer, record = new KvRecord(layer, cache));
            return record;
        }
    }

    private static int IndexOf(IReadOnlyList<Attention> layers, Attention layer) => Enumerable.Range(0, layers.Count).First(i => ReferenceEquals(layers[i], layer));

    /// <summary>A head that was always zero has no range; any scale gives its zeros.</summary>
    private static float[] Scales(double[] thresholds) => [.. thresholds.Select(t => t > 0 ? (float)(t / Int8) : 1)];
}

/// <summary>What became of a unit.</summary>
/// <param name="Block">Index of the block; −1 outside blocks.</param>
internal sealed record UnitResult(int Block)
{
    /// <summary>The quantized linears by declared path.</summary>
    public required IReadOnlyDictionary<string, LinearState> Linears { get; init; }

    /// <summary>What is reported of each.</summary>
    public required IReadOnlyList<LinearReport> Reports { get; init; }

    /// <summary>Scales of keys and values of each attention in order; null where its cache stays as it is.</summary>
    public required IReadOnlyList<KvScales?> KvScales { get; init; }
}
