using Generated.Layers;
using TorchSharp;
using static TorchSharp.torch;

namespace Generated.Passes;

/// <summary>
/// One pass over some tokens: positions, mask, cache and observer. It owns what its layers share (position tensors, masks,
/// rotary angles), made on first use and freed with it. Use one per pass.
/// </summary>
public sealed class PassContext : IDisposable
{
    private readonly Dictionary<RotaryTable, Rotation> _rotations = [];
    private readonly MaskCache _masks;
    private int[]? _starts;
    private Tensor? _positions;
    private Tensor? _blockPositions;
    private Tensor? _startsTensor;
    private Tensor? _columnInput;
    private Tensor? _columnCopy;
    private DisposeScope? _eagerScope;

    /// <param name="inputs">Positions and mask; see <see cref="IInputScheme"/>.</param>
    /// <param name="cache">Where keys and values are kept; needed by prefill and decode.</param>
    public PassContext(SequenceInputs inputs, KvCache? cache = null)
    {
        ArgumentNullException.ThrowIfNull(inputs);
        if (cache is not null && cache.Slots.Count > 0)
        {
            if (inputs.Total > cache.MaxLength)
                throw new InvalidInputException($"{inputs.Total} tokens do not fit a KV cache of {cache.MaxLength}; create a longer one or stop earlier.");
            if (inputs.Rows != cache.Batch)
                throw new ArgumentException($"A cache of {cache.Batch} rows cannot serve {inputs.Rows}.", nameof(cache));
        }

        Inputs = inputs;
        Cache = cache;
        _masks = new MaskCache(inputs);
    }

    /// <summary>Positions and mask, on the host.</summary>
    public SequenceInputs Inputs { get; }

    /// <summary>Where keys and values are kept, or null.</summary>
    public KvCache? Cache { get; }

    /// <summary>Who observes a full pass, or null.</summary>
    public IProbe? Probe { get; init; }

    /// <summary>Whether a head that is divided over ranks gives whole logits; false leaves each rank its part, for a loss that is computed on parts.</summary>
    public bool GatherLogits { get; init; } = true;

    /// <summary>Whether this is a training pass: what only stretches a trained model (Qwen's NTK and log-n) is off.</summary>
    public bool Training { get; init; }

    /// <summary>Number of rows.</summary>
    public int Rows => Inputs.Rows;

    /// <summary>Number of columns of this pass.</summary>
    public int Length => Inputs.Length;

    /// <summary>Number of columns that are in the cache already.</summary>
    public int Past => Inputs.Past;

    /// <summary>Number of columns up to and with this pass's.</summary>
    public int Total => Inputs.Total;

    /// <summary>Number of columns of the prompt that the sequence began with.</summary>
    public int PromptLength => Inputs.PromptLength;

    /// <summary>The largest position of a token of this pass.</summary>
    public long MaxPosition { get => field >= 0 ? field : field = Inputs.Positions.Max(); } = -1;

    /// <summary>The largest block position of a token of this pass.</summary>
    public long MaxBlockPosition { get => field >= 0 ? field : field = Inputs.BlockPositions?.Max() ?? 0; } = -1;

    /// <summary>Positions, int64 [rows, length], on <paramref name="device"/>; this context's.</summary>
    public Tensor Positions(Device device) => _positions ??= Upload(Inputs.Positions, device);

    /// <summary>Block positions, int64 [rows, length], on <paramref name="device"/>; this context's. Zero where the architecture has none.</summary>
    public Tensor BlockPositions(Device device) => _blockPositions ??= Upload(Inputs.BlockPositions ?? new long[Rows * Length], device);

    /// <summary>First real column of each row, int64 [rows], on <paramref name="device"/>; this context's. Null where nothing is padded on the left.</summary>
    internal Tensor? StartsOn(Device device) => Inputs.Mask.Starts is not { } starts
        ? null
        : _startsTensor ??= tensor(starts.Select(s => (long)s).ToArray(), device: device).DetachFromDisposeScope();

    /// <summary>The last position of each row, [B, T, width] to [B, 1, width].</summary>
    public Tensor LastPosition(Tensor x) => x.narrow(1, x.shape[1] - 1, 1);

    internal MaskCache Masks => _masks;

    /// <summary>First real column of each row, for kernels; null where no row is padded.</summary>
    internal int[]? Starts => _starts ??= Inputs.Mask.Starts as int[] ?? Inputs.Mask.Starts?.ToArray();

    /// <summary>Cosines and sines of this pass's positions.</summary>
    internal Rotation Rotation(RotaryTable table, Device device)
    {
        if (!_rotations.TryGetValue(table, out var rotation))
            _rotations.Add(table, rotation = table.At(this, device));
        return rotation;
    }

    /// <summary>
    /// Enters a column-parallel region with a value. Linears that follow each other with the same input share the entry, and
    /// with it the sum over ranks of its gradient.
    /// </summary>
    internal Tensor EnterColumns(Tensor x, Generated.Parallel.ICollective group) =>
        Entered(x) ?? Enter(x, Generated.Parallel.CollectiveOps.CopyToTensorParallel(x, group));

    /// <summary>The same where each rank has its positions of the value: all of them, gathered once for linears that follow each other.</summary>
    internal Tensor EnterColumnsByPositions(Tensor x, Generated.Parallel.ICollective group) =>
        Entered(x) ?? Enter(x, SequenceShards.Gather(x, Length, group));

    private Tensor? Entered(Tensor x) => ReferenceEquals(_columnInput, x) ? _columnCopy : null;

    private Tensor Enter(Tensor x, Tensor entered)
    {
        _columnCopy?.Dispose();
        _columnCopy = entered.DetachFromDisposeScope();
        _columnInput = x;
        return entered;
    }

    /// <summary>Opens the scope in which an eager run's intermediate values live.</summary>
    internal void BeginEager()
    {
        _eagerScope?.Dispose();
        _eagerScope = NewDisposeScope();
    }

    /// <summary>Frees them.</summary>
    internal void EndEager()
    {
        _eagerScope?.Dispose();
        _eagerScope = null;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        EndEager();
        foreach (var rotation in _rotations.Values)
            rotation.Dispose();
        _rotations.Clear();
        _masks.Dispose();
        _positions?.Dispose();
        _blockPositions?.Dispose();
        _startsTensor?.Dispose();
        _columnCopy?.Dispose();
        (_positions, _blockPositions, _startsTensor, _columnCopy, _columnInput) = (null, null, null, null, null);
    }

    private Tensor Upload(IReadOnlyList<long> values, Device device)
    {
        using var flat = tensor(values as long[] ?? values.ToArray(), device: device);
        return flat.view(Rows, Length).DetachFromDisposeScope();
    }
}
