using Generated.Parallel;
using TorchSharp;
using static TorchSharp.torch;

namespace Generated.Layers;

/// <summary>
/// The residual stream divided by positions: of [B, T, width] each rank has ⌈T/size⌉ positions, the last ones filled up with
/// rows that nothing reads. The counterparts with gradients of Korthikanti et al. (2022).
/// </summary>
internal static class SequenceShards
{
    /// <summary>All positions before a layer that each rank computes in part: gradients are summed over ranks.</summary>
    public static Tensor Gather(Tensor shard, long length, ICollective group) =>
        Cut(CollectiveOps.GatherFromSequenceParallel(shard, group), length);

    /// <summary>All positions before a layer that each rank computes whole: gradients are the same on all ranks.</summary>
    public static Tensor GatherAlike(Tensor shard, long length, ICollective group) =>
        Cut(CollectiveOps.GatherFromTensorParallel(shard, group, dim: 1), length);

    /// <summary>This rank's positions of the sum of all ranks' partial values, which the caller keeps.</summary>
    public static Tensor ReduceScatter(Tensor partial, ICollective group)
    {
        using var padded = Pad(partial, group);
        return CollectiveOps.ReduceScatterToSequenceParallel(padded, group);
    }

    /// <summary>This rank's positions of a value that all ranks have, which the caller keeps.</summary>
    public static Tensor Scatter(Tensor whole, ICollective group)
    {
        using var padded = Pad(whole, group);
        return CollectiveOps.ScatterToSequenceParallel(padded, group);
    }

    /// <summary>A weight that every rank applies to its own positions: its gradient is summed over ranks.</summary>
    public static Tensor Weight(Parameter parameter, ICollective group) =>
        is_grad_enabled() && parameter.RequiresGrad ? CollectiveOps.CopyToTensorParallel(parameter.Value, group) : parameter.Value.alias();

    private static Tensor Pad(Tensor x, ICollective group)
    {
        var missing = (group.Size - x.shape[1] % group.Size) % group.Size;
        return missing == 0 ? x.alias() : nn.functional.pad(x, [0, 0, 0, missing]);
    }

    private static Tensor Cut(Tensor padded, long length)
    {
        if (padded.shape[1] == length)
            return padded;
        using (padded)
        using (var cut = padded.narrow(1, 0, length))
            return cut.contiguous();
    }
}
