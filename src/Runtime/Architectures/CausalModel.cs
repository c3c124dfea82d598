using Generated.Layers;
using Generated.Passes;
using TorchSharp;
using static TorchSharp.torch;

namespace Generated.Architectures;

/// <summary>Base of what is generated for a declared model: a decoder from token ids to logits.</summary>
public abstract class CausalModel : IDisposable
{
    private BuildContext? _context;

    /// <summary>The config it was created from.</summary>
    public abstract object Config { get; }

    /// <summary>What quantization, adapters and inspection know of the wiring.</summary>
    public abstract ModelStructure Structure { get; }

    /// <summary>How positions and mask follow from ids.</summary>
    public abstract IInputScheme Inputs { get; }

    /// <summary>All blocks, in order of execution.</summary>
    public abstract IReadOnlyList<Block> AllBlocks { get; }

    /// <summary>The places of the model's own linears, outside blocks.</summary>
    public abstract IReadOnlyList<LinearSite> LinearSites { get; }

    /// <summary>What the layers were built with; it owns their memory.</summary>
    public BuildContext Context => _context ?? throw NotBuilt();

    /// <summary>Type of weights and activations.</summary>
    public ScalarType Dtype => Context.Dtype;

    /// <summary>Where the weights live.</summary>
    public Device Device => Context.Device;

    /// <summary>Number of weights over all ranks, a tied matrix counted once.</summary>
    public long ParameterCount => Weights().Where(w => !w.IsTied).Sum(w => w.Count);

    /// <summary>Creates the layers, their weights uninitialised. Generated <c>Create</c> methods call <see cref="Initialize"/>.</summary>
    public abstract void Build(BuildContext build);

    /// <summary>Full-sequence pass, with gradients where they are enabled.</summary>
    /// <param name="ids">Int64 [B, T].</param>
    /// <param name="pass">The pass.</param>
    /// <returns>Logits [B, T, vocabulary]; this rank's part of the vocabulary if <see cref="PassContext.GatherLogits"/> is off.</returns>
    public abstract Tensor Full(Tensor ids, PassContext pass);

    /// <summary>What <see cref="Full"/> does before the blocks, for whoever runs the blocks one at a time.</summary>
    /// <param name="ids">Int64 [B, T].</param>
    /// <param name="pass">The pass.</param>
    /// <returns>The first block's input, [B, T, width].</returns>
    /// <exception cref="InvalidInputException">The blocks are not the only way from the ids to the logits; the message says what else is.</exception>
    public virtual Tensor Enter(Tensor ids, PassContext pass) => throw NotCut("it states no halves");

    /// <summary>What <see cref="Full"/> does behind the blocks.</summary>
    /// <param name="hidden">The last block's output, [B, T, width].</param>
    /// <param name="pass">The pass.</param>
    /// <returns>Logits [B, T, vocabulary].</returns>
    /// <exception cref="InvalidInputException">The blocks are not the only way from the ids to the logits; the message says what else is.</exception>
    public virtual Tensor Leave(Tensor hidden, PassContext pass) => throw NotCut("it states no halves");

    /// <summary>Prompt pass without gradients; writes the KV cache.</summary>
    /// <param name="ids">Int64 [B, T].</param>
    /// <param name="pass">The pass, with a cache.</param>
    /// <returns>Logits of each row's last position, [B, 1, vocabulary].</returns>
    public abstract Tensor Prefill(Tensor ids, PassContext pass);

    /// <summary>Pass over one new token per row, without gradients.</summary>
    /// <param name="ids">Int64 [B, 1].</param>
    /// <param name="pass">The pass, with a cache.</param>
    /// <returns>Logits [B, 1, vocabulary].</returns>
    public abstract Tensor Decode(Tensor ids, PassContext pass);

    /// <summary>The declared body, operator by operator, [B, T, vocabulary]: the oracle of the generated passes.</summary>
    public abstract Tensor Eager(Tensor ids, PassContext pass);

    /// <summary>Every checkpoint tensor, tied ones included.</summary>
    public abstract IEnumerable<WeightSlot> Weights();

    /// <summary>Every linear that the config has: the model's own, then block by block.</summary>
    public IEnumerable<LinearSlot> Linears()
    {
        foreach (var site in LinearSites)
            if (site.Get(this) is not null)
                yield return new LinearSlot(this, site, -1);
        foreach (var block in AllBlocks)
            foreach (var site in block.LinearSites)
                if (site.Get(block) is not null)
                    yield return new LinearSlot(block, site, block.Index);
    }

    /// <summary>The linear at a path.</summary>
    /// <param name="path">Declared path with its class, for example <c>LlamaBlock.Q</c>.</param>
    /// <param name="block">Index of the block; −1 outside blocks.</param>
    /// <exception cref="InvalidInputException">There is none.</exception>
    public LinearSlot Linear(string path, int block = -1) =>
        Linears().FirstOrDefault(l => l.Path == path && l.Block == block)
        ?? throw new InvalidInputException($"There is no linear '{path}'{(block < 0 ? " outside blocks" : $" in block {block}")}; there are {string.Join(", ", Linears().Select(l => l.Path).Distinct())}.");

    /// <summary>The norm at a path.</summary>
    /// <param name="path">Declared path with its class, for example <c>LlamaBlock.AttnNorm</c>.</param>
    /// <param name="block">Index of the block; −1 outside blocks.</param>
    /// <exception cref="InvalidInputException">There is none.</exception>
    public INorm Norm(string path, int block = -1)
    {
        ArgumentNullException.ThrowIfNull(path);
        var member = path[(path.IndexOf('.', StringComparison.Ordinal) + 1)..];
        var slots = block < 0 ? Weights() : AllBlocks[block].Weights();
        return slots.FirstOrDefault(s => s.Spec.Layer == member && s.Layer is INorm)?.Layer as INorm
            ?? throw new InvalidInputException($"There is no norm '{path}'{(block < 0 ? "" : $" in block {block}")}.");
    }

    /// <summary>The weights of this rank, each once.</summary>
    public IEnumerable<Parameter> Parameters() => Weights().Select(w => w.Parameter).OfType<Parameter>().Distinct();

    /// <summary>The weights that belong to no block.</summary>
    internal IEnumerable<WeightSlot> WeightsOutsideBlocks()
    {
        var inBlocks = AllBlocks.SelectMany(block => block.Weights()).Select(slot => slot.Name).ToHashSet(StringComparer.Ordinal);
        return Weights().Where(slot => !inBlocks.Contains(slot.Name));
    }

    /// <summary>A cache for <paramref name="batch"/> rows of at most <paramref name="maxLength"/> tokens.</summary>
    public KvCache NewCache(int batch, int maxLength) => KvCache.Create(Context.CacheShapes, batch, maxLength, Dtype, Device);

    /// <summary>
    /// Gives the matrices of a model built with <see cref="BuildOptions.DeferMatrices"/> their memory: those that still are in use, uninitialised.
    /// </summary>
    public void AllocateMatrices()
    {
        foreach (var fused in Context.Fused)
            fused.AllocateIfFused();
        foreach (var parameter in Parameters())
            parameter.Allocate(Device);
    }

    /// <summary>Builds the layers and keeps what owns their memory.</summary>
    /// <exception cref="InvalidInputException">A layer cannot be built or divided as asked; the message names it.</exception>
    public void Initialize(BuildContext build)
    {
        if (build.Options.SequenceParallel && Structure.SequenceObstacle is { } obstacle)
            throw new InvalidInputException($"Norms and residuals of this model cannot be divided by positions: {obstacle}; build it without SequenceParallel.");
        try
        {
            Build(build);
        }
        catch (InvalidInputException e) when (build.Layer is { } layer)
        {
            build.Dispose();
            throw new InvalidInputException($"{layer}: {e.Message}", e);
        }

        _context = build;
    }

    /// <inheritdoc/>
    public virtual void Dispose()
    {
        if (_context is not { } context)
            return;
        foreach (var slot in Linears())
            slot.Linear.Dispose();
        context.Dispose();
        GC.SuppressFinalize(this);
    }

    /// <summary>The exception of a model that is used before it is built.</summary>
    protected static InvalidOperationException NotBuilt() => new("The layers do not exist yet: use the Create method.");

    /// <summary>The exception of a model whose full pass cannot be cut at its blocks.</summary>
    protected InvalidInputException NotCut(string reason) =>
        new($"{GetType().Name} cannot run block by block: {reason}. Only a model in which everything goes through one row of blocks can.");

    /// <summary>Begins an eager run; intermediate values live until <see cref="Value"/> ends it.</summary>
    protected static Tokens Tokens(Tensor ids, PassContext pass)
    {
        ArgumentNullException.ThrowIfNull(pass);
        pass.BeginEager();
        return new Tokens(ids, pass);
    }

    /// <summary>Ends an eager run: its result is the caller's, its intermediate values are freed.</summary>
    protected static Tensor Value(Flow flow)
    {
        var result = flow.Value.MoveToOuterDisposeScope();
        flow.Context.EndEager();
        return result;
    }
}
