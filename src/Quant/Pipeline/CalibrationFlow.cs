using Generated.Passes;
using Generated.Quant.Calibration;
using static TorchSharp.torch;

namespace Generated.Quant.Pipeline;

/// <summary>
/// Calibration tokens on their way through the units: through the exact ones, whose values statistics are taken of, and through what
/// becomes of them, which GPTQ makes up for. Exact hidden states depend on model and tokens alone, not on the recipe.
/// </summary>
internal sealed class CalibrationFlow
{
    private readonly CalibrationSet _set;
    private readonly IInputScheme _scheme;
    private readonly StatisticsStore? _store;
    private readonly HiddenStream? _exact;
    private readonly HiddenStream? _followed;

    /// <param name="folder">For the hidden states.</param>
    /// <param name="set">The tokens.</param>
    /// <param name="scheme">The model's input scheme.</param>
    /// <param name="needs">What the recipe wants to see.</param>
    /// <param name="store">Statistics that are kept; null for none.</param>
    public CalibrationFlow(string folder, CalibrationSet set, IInputScheme scheme, CalibrationNeeds needs, StatisticsStore? store = null)
    {
        (_set, _scheme, _store) = (set, scheme, store);
        _exact = needs.SeesExact && (store is not { IsComplete: true } || needs.SeesMoved) ? new HiddenStream(folder, "exact", set, scheme) : null;
        _followed = needs.SeesQuantized ? new HiddenStream(folder, "quantized", set, scheme) : null;
    }

    /// <summary>Whether a run can begin at a unit: what it runs on is there.</summary>
    public bool CanBegin(int unit) => _exact?.CanBegin(unit) != false && _followed?.CanBegin(unit) != false;

    /// <summary>The flow at a unit.</summary>
    /// <param name="unit">Its place.</param>
    /// <param name="device">Where the unit is.</param>
    /// <param name="writes">Whether another unit comes, for which outputs are kept.</param>
    public UnitFlow At(int unit, Device device, bool writes)
    {
        var known = _store is { IsComplete: true } ? _store.Load(unit, device) : null;
        return new UnitFlow
        {
            Exact = _exact?.At(unit, device),
            Followed = _followed?.At(unit, device),
            Known = known?.Seen,
            FirstRow = known?.FirstRow,
            Store = _store is { IsComplete: false } ? (_store, unit) : null,
            Ids = unit == 0 ? new UnitInputs(_set, _scheme, null, device) : null,
            Row = _set.Rows[0],
            Scheme = _scheme,
            Writes = writes,
        };
    }
}

/// <summary>Calibration tokens at one unit.</summary>
internal sealed class UnitFlow : IDisposable
{
    /// <summary>Tokens as the exact units before give them; null where nothing wants to see them.</summary>
    public HiddenStream.Stage? Exact { get; init; }

    /// <summary>Tokens as the quantized units before give them; null where nothing wants to see them.</summary>
    public HiddenStream.Stage? Followed { get; init; }

    /// <summary>What is known of the unit's exact values from an earlier run.</summary>
    public Observation? Known { get; init; }

    /// <summary>What is known of the first row's input from an earlier run.</summary>
    public Tensor? FirstRow { get; init; }

    /// <summary>Where to keep what is seen of the exact values.</summary>
    public (StatisticsStore Store, int Unit)? Store { get; init; }

    /// <summary>Token ids, where the unit takes those.</summary>
    public UnitInputs? Ids { get; init; }

    /// <summary>Ids of the first row.</summary>
    public required int[] Row { get; init; }

    /// <summary>The model's input scheme.</summary>
    public required IInputScheme Scheme { get; init; }

    /// <summary>Whether another unit comes.</summary>
    public bool Writes { get; init; }

    /// <summary>The first row at this unit.</summary>
    public UnitPrompt Prompt => Exact?.Inputs.Prompt ?? (FirstRow is { } row ? new UnitPrompt(Row, Scheme, () => row.clone()) : (Ids ?? Followed!.Inputs).Prompt);

    /// <summary>Gives the outputs their names; the next unit can begin.</summary>
    public void Complete()
    {
        Exact?.Complete();
        Followed?.Complete();
    }

    /// <summary>Deletes what the unit ran on.</summary>
    public void Forget()
    {
        Exact?.Forget();
        Followed?.Forget();
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Exact?.Dispose();
        Followed?.Dispose();
        Known?.Dispose();
        FirstRow?.Dispose();
    }
}
