using Generated.Layers;
using Generated.Passes;
using TorchSharp;
using static TorchSharp.torch;

namespace Generated.Architectures;

/// <summary>Base of what is generated for a declared model: a decoder from token ids to logits.</summary>
public abstract class CausalModel : IDisposable
{
    private BuildContext? _build;

    /// <summary>A wiring that begins with tokens.</summary>
    protected delegate Flow Wiring(Tokens ids);

    /// <summary>The config it was created from.</summary>
    public abstract object Config { get; }

    /// <summary>What quantization, adapters and inspection know of the wiring.</summary>
    public abstract ModelStructure Structure { get; }

    /// <summary>How positions and mask follow from ids.</summary>
    public abstract IInputScheme Inputs { get; }

    /// <summary>Number of logits.</summary>
    public abstract int Vocabulary { get; }

    /// <summary>What the layers were built with.</summary>
    public BuildContext Build => _build ?? throw new InvalidOperationException("The model is not built: use its Create method.");

    /// <summary>Type of weights and activations.</summary>
    public ScalarType Dtype => Build.Dtype;

    /// <summary>Where the weights live.</summary>
    public Device Device => Build.Device;

    /// <summary>Number of weights over all ranks, a tied matrix counted once.</summary>
    public long ParameterCount => Weights().Where(w => w.Kind == WeightKind.Stored).Sum(w => w.Count);

    /// <summary>The weights of this rank, each once.</summary>
    public IEnumerable<Parameter> Parameters() =>
        Weights().Where(w => w.Kind == WeightKind.Stored && w.Parameter is not null).Select(w => w.Parameter!).Distinct();

    /// <summary>Full-sequence pass, with gradients where they are enabled.</summary>
    /// <param name="ids">Int64 [B, T].</param>
    /// <param name="pass">The pass.</param>
    /// <returns>Logits [B, T, vocabulary]; this rank's part of the vocabulary if <see cref="PassContext.GatherLogits"/> is off.</returns>
    public abstract Tensor Full(Tensor ids, PassContext pass);

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

    /// <summary>Every checkpoint tensor, tied and ignored ones included.</summary>
    public abstract IEnumerable<WeightSlot> Weights();

    /// <summary>Every linear, blocks in order.</summary>
    public abstract IEnumerable<LinearSlot> Linears();

    /// <summary>Every norm, blocks in order.</summary>
    public abstract IEnumerable<NormSlot> Norms();

    /// <summary>A cache for <paramref name="batch"/> rows of at most <paramref name="maxLength"/> tokens.</summary>
    public KvCache NewCache(int batch, int maxLength) => KvCache.Dense(Build.CacheShapes, batch, maxLength, Dtype, Device);

    /// <summary>The linear at a path.</summary>
    /// <param name="path">Path of declared members, for example <c>LlamaBlock.Q</c>.</param>
    /// <param name="block">Index of the block; −1 outside blocks.</param>
    /// <exception cref="InvalidInputException">There is none.</exception>
    public LinearSlot Linear(string path, int block = -1) =>
        Linears().FirstOrDefault(l => l.Path == path && l.Block == block)
        ?? throw new InvalidInputException($"There is no linear '{path}'{(block < 0 ? "" : $" in block {block}")}; there are {string.Join(", ", Linears().Select(l => l.Path).Distinct())}.");

    /// <inheritdoc/>
    public virtual void Dispose()
    {
        if (_build is not { } build)
            return;
        foreach (var slot in Linears())
            slot.Linear.Dispose();
        build.Dispose();
        GC.SuppressFinalize(this);
    }

    /// <summary>Called by the generated <c>Create</c> when all layers exist.</summary>
    protected void Built(BuildContext build) => _build = build;

    /// <summary>The exception of a model that is used before it is built.</summary>
    protected static InvalidOperationException NotBuilt() => new("The layers do not exist yet: use the Create method.");

    /// <summary>Runs a declared wiring; intermediate values are freed.</summary>
    protected static Tensor RunEager(Tensor ids, PassContext pass, Wiring wiring)
    {
        ArgumentNullException.ThrowIfNull(wiring);
        using var scope = NewDisposeScope();
        return wiring(new Tokens(ids, pass)).Value.MoveToOuterDisposeScope();
    }
}
