using Generated.Architectures;
using Generated.Loading;
using Generated.Passes;
using Generated.Quant.Calibration;
using Generated.Quant.Layers;
using Generated.Quant.Recipes;
using TorchSharp;
using static TorchSharp.torch;

namespace Generated.Quant.Pipeline;

/// <summary>Keeps what becomes of a model, part by part.</summary>
internal interface IUnitSink
{
    /// <summary>A block is quantized.</summary>
    void Block(BlockUnit unit, UnitResult result, UnitCost cost);

    /// <summary>What is outside the blocks is.</summary>
    void Ends(CausalModel model, IReadOnlyDictionary<string, LinearState> states, EmbeddingState? embedding, EndsReport report);
}

/// <summary>A unit's weights and time before and after.</summary>
internal sealed record UnitCost(UnitMeasure Before, UnitMeasure After);

/// <summary>What the last part reports.</summary>
internal sealed record EndsReport(IReadOnlyList<LinearReport> Linears, UnitCost Cost)
{
    /// <summary>Perplexity on held-out tokens before and after; null where there are none.</summary>
    public (double Before, double After)? Perplexity { get; init; }
}

/// <summary>
/// Quantizes a model unit by unit, one in memory at a time: what is before the blocks, the blocks, what is behind them. Hidden states go
/// from one to the next through files in a folder.
/// </summary>
/// <param name="model">The checkpoint.</param>
/// <param name="recipe">The recipe, checked.</param>
/// <param name="calibration">Calibration tokens; null where the recipe needs none.</param>
/// <param name="heldOut">Tokens that perplexity is taken on; null for none.</param>
/// <param name="folder">For the hidden states.</param>
/// <param name="store">Statistics of the exact model that are kept between runs; null for none.</param>
/// <param name="passBegins">Told the block of each pass of calibration tokens, for tests.</param>
internal sealed class UnitLoop(
    StreamedModel model, QuantRecipe recipe, CalibrationSet? calibration, CalibrationSet? heldOut, string folder, StatisticsStore? store = null, Action<int>? passBegins = null)
{
    private readonly UnitQuantizer _quantizer = new(recipe, model.Structure) { PassBegins = passBegins };
    private readonly CalibrationFlow? _calibration = calibration is null ? null : new CalibrationFlow(folder, calibration, model.Inputs, new CalibrationNeeds(recipe), store);
    private readonly HeldOutText? _heldOut = heldOut is null ? null : new HeldOutText(folder, heldOut, model.Inputs) { Known = store?.Perplexity(heldOut) };

    /// <summary>Number of units.</summary>
    public int Count => model.BlockCount + 2;

    /// <summary>A unit for people: "block 3 of 32".</summary>
    public string Title(int unit) => unit == 0 ? "what is before the blocks" : unit > model.BlockCount ? "what is behind the blocks" : FormattableString.Invariant($"block {unit} of {model.BlockCount}");

    /// <summary>Whether a run can begin at a unit: what it runs on is there.</summary>
    public bool CanBegin(int unit) => _calibration?.CanBegin(unit) != false && _heldOut?.CanBegin(unit) != false;

    /// <summary>Quantizes units.</summary>
    /// <param name="first">The first one; <see cref="CanBegin"/> says whether that is possible.</param>
    /// <param name="sink">Keeps what becomes of them.</param>
    /// <param name="started">Told each unit that begins.</param>
    /// <param name="cancellation">Stops between batches.</param>
    public void Run(int first, IUnitSink sink, Action<int>? started, CancellationToken cancellation)
    {
        for (var index = first; index < Count; index++)
        {
            cancellation.ThrowIfCancellationRequested();
            started?.Invoke(index);
            if (index == 0)
                Enter(cancellation);
            else if (index + 1 < Count)
                Block(index, sink, cancellation);
            else
                Leave(index, sink, cancellation);
        }
    }

    /// <summary>Gives the blocks what they run on. What is quantized here is so again with what is behind the blocks: both are one part.</summary>
    private void Enter(CancellationToken cancellation)
    {
        using var ends = model.LoadEnds();
        using var unit = new EndsUnit(ends, isBefore: true);
        using var flow = _calibration?.At(0, unit.Context.Device, writes: true);
        using var before = _heldOut?.Before(0, unit.Context.Device);
        using var after = _heldOut?.After(0, unit.Context.Device);
        before?.Forward(unit, cancellation);
        _quantizer.Run(unit, flow, Visits(unit, flow), cancellation);
        if (EmbeddingStage.Quantize(ends, recipe) is { } embedding)
            EmbeddingStage.Round(ends, embedding);
        after?.Forward(unit, cancellation);
        flow?.Complete();
        before?.Complete();
        after?.Complete();
    }

    private void Block(int index, IUnitSink sink, CancellationToken cancellation)
    {
        using var unit = new BlockUnit(model.LoadBlock(index - 1));
        using var flow = _calibration?.At(index, unit.Context.Device, writes: true);
        using var before = _heldOut?.Before(index, unit.Context.Device);
        using var after = _heldOut?.After(index, unit.Context.Device);
        before?.Forward(unit, cancellation);
        var prompt = Prompt(unit, flow, before, after);
        var cost = UnitMeasure.Of(unit, prompt, model.Inputs);
        var result = _quantizer.Run(unit, flow, _ => true, cancellation);
        for (var i = 0; i < result.KvScales.Count; i++)
            unit.Context.Attentions[i].RoundKeysAndValues(result.KvScales[i]);
        after?.Forward(unit, cancellation);
        flow?.Complete();
        before?.Complete();
        after?.Complete();
        sink.Block(unit, result, new UnitCost(cost, UnitMeasure.Of(unit, prompt, model.Inputs)));
        flow?.Forget();
        before?.Forget();
        after?.Forget();
    }

    private void Leave(int index, IUnitSink sink, CancellationToken cancellation)
    {
        using var ends = model.LoadEnds();
        using var front = new EndsUnit(ends, isBefore: true);
        using var unit = new EndsUnit(ends, isBefore: false);
        var device = unit.Context.Device;
        using var start = _calibration?.At(0, device, writes: false);
        using var flow = _calibration?.At(index, device, writes: false);
        using var before = _heldOut?.Before(index, device);
        using var after = _heldOut?.After(index, device);
        var exact = before is null ? _heldOut?.Known : _heldOut!.Score(before, unit, cancellation);
        if (before is not null)
            store?.SavePerplexity(heldOut!, exact!.Value);
        var prompt = Prompt(unit, flow, before, after);
        var cost = UnitMeasure.Of(unit, prompt, model.Inputs);
        var entering = _quantizer.Run(front, start, Visits(front, start), cancellation);
        var leaving = _quantizer.Run(unit, flow, Visits(unit, flow, isFirst: false), cancellation);
        var embedding = EmbeddingStage.Quantize(ends, recipe);
        if (embedding is not null)
            EmbeddingStage.Round(ends, embedding);
        var rounded = after is null ? 0 : _heldOut!.Score(after, unit, cancellation);
        var report = new EndsReport([.. entering.Reports, .. leaving.Reports], new UnitCost(cost, UnitMeasure.Of(unit, prompt, model.Inputs).With(embedding)))
        {
            Perplexity = exact is { } known ? (known, rounded) : null,
        };
        // Their states are what is written; a head's is packed once more for that.
        foreach (var slot in unit.Linears.Values.Where(slot => slot.Linear is QuantizedLinear))
            slot.Linear.Dispose();
        sink.Ends(
            ends, new Dictionary<string, LinearState>(entering.Linears.Concat(leaving.Linears), StringComparer.Ordinal), embedding, report);
    }

    private UnitPrompt Prompt(Unit unit, UnitFlow? flow, HiddenStream.Stage? before, HiddenStream.Stage? after) =>
        flow?.Prompt ?? (before ?? after)?.Inputs.Prompt ?? SyntheticPrompt.Of(model.Structure, model.Inputs, unit.Context.Device);

    /// <summary>Which linears outside blocks come before and which behind only passes tell; without calibration all belong to the first.</summary>
    internal static Func<string, bool> Visits(Unit unit, UnitFlow? flow, bool isFirst = true)
    {
        if (flow is null)
            return _ => isFirst;
        return SitesOf(unit, flow.Prompt).Contains;
    }

    private static HashSet<string> SitesOf(Unit unit, UnitPrompt prompt)
    {
        using var noGrad = no_grad();
        var sites = new SiteNames();
        var (input, first) = prompt.FirstRow();
        using (input)
        using (var pass = new PassContext(first) { Probe = sites })
            unit.Run(input, pass).Dispose();
        return sites.Names;
    }

    private sealed class SiteNames : IProbe
    {
        public HashSet<string> Names { get; } = new(StringComparer.Ordinal);

        public void Hidden(int index, Tensor value)
        {
        }

        public void Named(string name, Tensor value)
        {
        }

        public void LinearInput(int block, string site, Tensor value) => Names.Add(site);
    }
}
