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

    /// <summary>
    /// Whether units run on what quantized units before them give. GPTQ makes up for errors and so has to see those that its input
    /// brings; static scales and searches have to see the values of the model that is approximated: taken behind rounded layers, a
    /// range holds their errors too and is too wide, and the error compared is not the layer's own.
    /// </summary>
    public bool FollowsQuantized => recipe.Gptq is not null;

    /// <summary>Quantizes a unit in place.</summary>
    /// <param name="unit">The unit.</param>
    /// <param name="inputs">What it runs on; null where the recipe needs no calibration and there is none.</param>
    /// <param name="visits">Whether its pass reaches a site; the linears of sites that it does not are another unit's.</param>
    /// <param name="write">Takes what the next unit runs on, batch by batch; null behind the last one.</param>
    /// <param name="cancellation">Stops between batches.</param>
    public UnitResult Run(Unit unit, UnitInputs? inputs, Func<string, bool> visits, Action<int, Tensor>? write, CancellationToken cancellation)
    {
        using var noGrad = no_grad();
        var sites = SitePlan.Of(recipe, structure, unit).Where(site => visits(site.Site)).ToList();
        foreach (var linear in sites.SelectMany(site => site.Quantized))
            Untie(unit, linear.Path);
        if (inputs is null)
            return WithoutCalibration(unit, sites);
        if (sites.Any(site => site.IsTransformed))
            Transform(unit, inputs, sites, cancellation);

        var attentions = new Dictionary<Attention, KvRecord>();
        var records = sites.ToDictionary(site => site.Site, site => Observed(site, unit), StringComparer.Ordinal);
        try
        {
            if (records.Count > 0 || recipe.KvCache is not null || (write is not null && !FollowsQuantized))
                Pass(unit, inputs, records, attentions, FollowsQuantized ? null : write, cancellation);
            var stage = new WeightStage(recipe, replaced);
            var results = new List<(string Path, LinearState State, LinearReport Report)>();
            foreach (var site in sites)
            {
                cancellation.ThrowIfCancellationRequested();
                results.AddRange(stage.Run(unit, site, records[site.Site]));
                records[site.Site].Dispose();
            }

            if (write is not null && FollowsQuantized)
                Pass(unit, inputs, [], [], write, cancellation);
            return Result(unit, results, attentions);
        }
        finally
        {
            foreach (var record in records.Values)
                record.Dispose();
            foreach (var record in attentions.Values)
                record.Dispose();
        }
    }

    private UnitResult WithoutCalibration(Unit unit, List<SitePlan> sites)
    {
        var stage = new WeightStage(recipe, replaced);
        return Result(unit, [.. sites.SelectMany(site => stage.Run(unit, site, null))], []);
    }

    private static UnitResult Result(Unit unit, List<(string Path, LinearState State, LinearReport Report)> linears, Dictionary<Attention, KvRecord> attentions) => new(unit.Block)
    {
        Linears = linears.ToDictionary(r => r.Path, r => r.State, StringComparer.Ordinal),
        Reports = [.. linears.Select(r => r.Report)],
        KvScales = [.. unit.Context.Attentions.Select(a => attentions.TryGetValue(a, out var record) ? new KvScales(Scales(record.KeyThresholds), Scales(record.ValueThresholds)) : null)],
    };

    /// <summary>Moves offsets and scales out of the values, site by site, each proved.</summary>
    internal void Transform(Unit unit, UnitInputs inputs, IReadOnlyList<SitePlan> sites, CancellationToken cancellation)
    {
        var records = sites.Where(site => site.IsTransformed).ToDictionary(site => site.Site, site => new SiteRecord(site.Width) { Statistics = new ChannelStatistics(site.Width) }, StringComparer.Ordinal);
        try
        {
            Pass(unit, inputs, records, null, null, cancellation);
            var (input, first) = inputs.FirstRow();
            using (input)
            using (var proof = new FunctionProof(unit, input, first))
            {
                // All scales first: folding one site may change weights that another one's search reads.
                var found = sites.Where(site => site.IsTransformed).Select(site =>
                {
                    cancellation.ThrowIfCancellationRequested();
                    var record = records[site.Site];
                    var shift = SiteSearch.Shift(site, record, recipe);
                    return (Site: site, Shift: shift, Scale: SiteSearch.Scales(unit, site, record, shift, recipe));
                }).ToList();
                foreach (var (site, shift, scale) in found)
                {
                    Folding.Apply(unit, site, shift, scale);
                    proof.Check($"{(site.Shifts ? "Shift" : "")}{(site.Shifts && site.Scales ? " and " : "")}{(site.Scales ? recipe.Awq is null ? "Smooth" : "Awq" : "")} at '{site.Site}'");
                }
            }
        }
        finally
        {
            foreach (var record in records.Values)
                record.Dispose();
        }
    }

    /// <summary>Runs all batches through the unit.</summary>
    private void Pass(
        Unit unit, UnitInputs inputs, Dictionary<string, SiteRecord> records, Dictionary<Attention, KvRecord>? attentions, Action<int, Tensor>? write, CancellationToken cancellation)
    {
        for (var i = 0; i < inputs.Count; i++)
        {
            cancellation.ThrowIfCancellationRequested();
            using var tokens = new RealTokens(inputs.Batch(i));
            using var pass = inputs.Pass(i, new SiteRecorder(records, recipe.KvCache is null || attentions is null ? null : Attention, tokens));
            using var input = inputs.Read(i);
            using var output = unit.Run(input, pass);
            write?.Invoke(i, output);
        }

        KvRecord Attention(Attention layer)
        {
            if (!attentions!.TryGetValue(layer, out var record))
            {
                var (kind, width) = ((ActivationObserver)recipe.KvCache!.Observer, layer.KvHeads * layer.HeadDim);
                attentions.Add(layer, record = new KvRecord(
                    ThresholdObservers.CreateSections(kind, width, layer.HeadDim), ThresholdObservers.CreateSections(kind, width, layer.HeadDim)));
            }

            return record;
        }
    }

    /// <summary>What is gathered of a value once offsets and scales have been moved out of it.</summary>
    private SiteRecord Observed(SitePlan site, Unit unit) => new(site.Width)
    {
        Transform = unit.Inserted.GetValueOrDefault(site.Site),
        Hessian = recipe.Gptq is null ? null : new Hessian(site.Width, unit.Context.Device),
        Threshold = site.Activations is { Per: ActivationGranularity.Tensor } format ? ThresholdObservers.Create(format.Observer) : null,
    };

    /// <summary>A linear that shares the embedding's matrix gets one of its own before that is changed.</summary>
    private static void Untie(Unit unit, string path)
    {
        var slot = unit.Linears[path];
        if (slot.Linear is not DenseLinear { TiedTo: not null } tied)
            return;
        var own = new DenseLinear(unit.Context, tied.InWidth, tied.OutWidth, unitRows: tied.HasUnitRows);
        own.Weight.Value.copy_(tied.Weight.Value);
        slot.Linear = own;
    }

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
