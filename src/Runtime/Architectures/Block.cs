using Generated.Layers;
using Generated.Passes;
using static TorchSharp.torch;

namespace Generated.Architectures;

/// <summary>Base of what is generated for a declared part.</summary>
public abstract class Part
{
    /// <summary>Creates the layers, their weights uninitialised, for one rank of a group.</summary>
    public abstract void Build(BuildContext build);

    /// <summary>The exception of a part that is used before <see cref="Build"/>.</summary>
    protected static InvalidOperationException NotBuilt() => new("The layers do not exist yet: call Build first.");
}

/// <summary>Base of what is generated for a declared block.</summary>
public abstract class Block
{
    /// <summary>Index among the model's blocks.</summary>
    public int Index { get; set; }

    /// <summary>The places of this block's linears.</summary>
    public abstract IReadOnlyList<LinearSite> LinearSites { get; }

    /// <summary>Creates the layers, their weights uninitialised, for one rank of a group.</summary>
    public abstract void Build(BuildContext build);

    /// <summary>Full-sequence pass, with gradients where they are enabled. x [B, T, hidden] is the caller's, the result too.</summary>
    public abstract Tensor Full(Tensor x, PassContext pass);

    /// <summary>Prompt pass without gradients; writes the KV cache.</summary>
    public abstract Tensor Prefill(Tensor x, PassContext pass);

    /// <summary>Pass over one new token per row, x [B, 1, hidden].</summary>
    public abstract Tensor Decode(Tensor x, PassContext pass);

    /// <summary>Every checkpoint tensor of this block.</summary>
    public abstract IEnumerable<WeightSlot> Weights();

    /// <summary>The exception of a block that is used before <see cref="Build"/>.</summary>
    protected static InvalidOperationException NotBuilt() => new("The layers do not exist yet: call Build first.");
}
