using Generated.Native;
using Generated.Parallel;
using Generated.Passes;
using TorchSharp;
using static TorchSharp.torch;

namespace Generated.Layers;

/// <summary>
/// What layers need while a model is built, and the owner of the native memory they share (fused storage, rotary tables).
/// Disposing of it disposes of that memory and of every weight created through it.
/// </summary>
public sealed class BuildContext : IDisposable
{
    /// <summary>Most copies of a block in one model: four times the deepest published transformers.</summary>
    private const int MostBlocks = 4096;

    private readonly List<CacheShape> _cacheShapes = [];
    private readonly List<Attention> _attentions = [];
    private readonly List<FusedLinear> _fused = [];
    private readonly Dictionary<RotarySpec, RotaryTable> _rotaryTables = [];
    private readonly Dictionary<int, ICollective> _replicaGroups = [];
    private readonly List<IDisposable> _owned = [];
    private readonly ICollective? _ownGroup;
    private readonly LayerPath _path;
    private BuildContext? _forBlocks;

    /// <param name="options">Type, device and group.</param>
    /// <exception cref="InvalidInputException">No pass runs in the type, or the device does not compute in it.</exception>
    public BuildContext(BuildOptions options)
        : this(options, new LayerPath())
    {
    }

    private BuildContext(BuildOptions options, LayerPath path)
    {
        ArgumentNullException.ThrowIfNull(options);
        DTypeSupport.Require(options.Dtype, options.Device);
        Options = options;
        _path = path;
        Group = options.TensorParallel ?? (_ownGroup = new SingleCollective());
    }

    /// <summary>The options this model is built with.</summary>
    public BuildOptions Options { get; }

    /// <summary>What the model's blocks are built with: this, or, where they are streamed, a context that gives them no memory.</summary>
    public BuildContext ForBlocks => !Options.StreamsBlocks ? this : _forBlocks ??= Own(new BuildContext(Options with { Device = META, StreamsBlocks = false }, _path));

    /// <summary>Type of weights and activations.</summary>
    public ScalarType Dtype => Options.Dtype;

    /// <summary>Where the weights live.</summary>
    public Device Device => Options.Device;

    /// <summary>The tensor-parallel group; one of a single rank where there is none.</summary>
    public ICollective Group { get; }

    /// <summary>What every attention layer built so far needs in a <see cref="KvCache"/>, in order of their slots.</summary>
    public IReadOnlyList<CacheShape> CacheShapes => _cacheShapes;

    /// <summary>Every attention layer built so far, in order of their slots.</summary>
    public IReadOnlyList<Attention> Attentions => _attentions;

    /// <summary>Linears that run as one product.</summary>
    internal IReadOnlyList<FusedLinear> Fused => _fused;

    /// <summary>Declared path of the layer that is being built, for messages; null before the first.</summary>
    internal string? Layer => _path.Value;

    /// <summary>Says which layer is built next; emitted code calls it.</summary>
    /// <param name="layer">Its declared path, for example <c>LlamaBlock.Q</c>.</param>
    /// <returns>This context.</returns>
    public BuildContext At(string layer)
    {
        _path.Value = layer;
        return this;
    }

    /// <summary>Checks how often a block is repeated, before any copy is made: a config.json can say anything.</summary>
    /// <returns>The count.</returns>
    /// <exception cref="InvalidInputException">It is negative or absurdly large.</exception>
    public static int Blocks(int count) => count is >= 0 and <= MostBlocks
        ? count
        : throw new InvalidInputException($"A model of {count} blocks cannot be built: at most {MostBlocks} can.");

    /// <summary>Whether norms and residuals of full passes are divided by positions.</summary>
    internal bool IsSequenceParallel => Options.SequenceParallel && Group.Size > 1;

    /// <summary>Reserves a slot of the KV cache.</summary>
    /// <returns>The slot's index.</returns>
    internal int AddCacheSlot(Attention attention, CacheShape shape)
    {
        _attentions.Add(attention);
        _cacheShapes.Add(shape);
        return _cacheShapes.Count - 1;
    }

    /// <summary>Changes what a slot keeps, for caches created from now on.</summary>
    internal void SetCacheShape(int slot, CacheShape shape) => _cacheShapes[slot] = shape;

    /// <summary>Notes linears that run as one product.</summary>
    internal void Add(FusedLinear fused) => _fused.Add(fused);

    /// <summary>The table of rotary angles of a kind, shared by all layers of that kind.</summary>
    internal RotaryTable Table(RotarySpec spec)
    {
        if (!_rotaryTables.TryGetValue(spec, out var table))
            _rotaryTables.Add(spec, table = Own(new RotaryTable(spec)));
        return table;
    }

    /// <summary>The ranks that hold copies of the same heads, where there are fewer of them than ranks.</summary>
    internal ICollective ReplicaGroup(int replicas)
    {
        if (replicas == 1 || Group.Size == 1)
            return Group;
        if (!_replicaGroups.TryGetValue(replicas, out var group))
            _replicaGroups.Add(replicas, group = Own(Group.Split(Group.Rank / replicas, Group.Rank)));
        return group;
    }

    /// <summary>Hands native memory over to this context.</summary>
    internal T Own<T>(T resource) where T : IDisposable
    {
        _owned.Add(resource);
        return resource;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var resource in _owned)
            resource.Dispose();
        _owned.Clear();
        _ownGroup?.Dispose();
    }

    /// <summary>Shared with the contexts of blocks, which build layers in between.</summary>
    private sealed class LayerPath
    {
        public string? Value { get; set; }
    }
}
