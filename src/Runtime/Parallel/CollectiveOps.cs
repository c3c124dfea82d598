using TorchSharp;
using static TorchSharp.torch;

namespace Generated.Parallel;

/// <summary>
/// Collectives with gradients, named as in Megatron-LM's tensor parallel mappings (Shoeybi et al. 2019; sequence parallel:
/// Korthikanti et al. 2022). Each returns a new tensor that the caller owns; in a group of one rank it is an alias.
/// Run the backward pass by <see cref="GradientNode.Backpropagate"/>, so that a failure of communication is thrown.
/// </summary>
public static class CollectiveOps
{
    /// <summary>Enters a column-parallel region: identity; the gradient is summed over the ranks.</summary>
    public static Tensor CopyToTensorParallel(Tensor x, ICollective group) => group.Size == 1 ? x.alias() : new CopyTo(group).Apply(x);

    /// <summary>Leaves a row-parallel region: the sum over the ranks; the gradient passes unchanged.</summary>
    public static Tensor ReduceFromTensorParallel(Tensor x, ICollective group) => group.Size == 1 ? x.alias() : new ReduceFrom(group).Apply(x);

    /// <summary>Joins the ranks' parts along <paramref name="dim"/>, [.., n] to [.., n·size]; each rank's gradient is its own part.</summary>
    public static Tensor GatherFromTensorParallel(Tensor x, ICollective group, int dim = -1) => group.Size == 1 ? x.alias() : new Gather(group, dim, reduceGradient: false).Apply(x);

    /// <summary>Keeps this rank's part along <paramref name="dim"/>, [.., n] to [.., n/size]; the gradient is joined from all ranks.</summary>
    public static Tensor ScatterToTensorParallel(Tensor x, ICollective group, int dim = -1) => group.Size == 1 ? x.alias() : new Scatter(group, dim).Apply(x);

    /// <summary>
    /// Joins the ranks' parts of a sequence before a column-parallel layer, [batch, t, width] to [batch, t·size, width];
    /// the gradients, partial sums on every rank, are reduced and scattered.
    /// </summary>
    public static Tensor GatherFromSequenceParallel(Tensor x, ICollective group, int dim = 1) => group.Size == 1 ? x.alias() : new Gather(group, dim, reduceGradient: true).Apply(x);

    /// <summary>Sums partial results after a row-parallel layer and keeps this rank's part of the sequence; the gradient is gathered.</summary>
    public static Tensor ReduceScatterToSequenceParallel(Tensor x, ICollective group, int dim = 1) => group.Size == 1 ? x.alias() : new ReduceScatterTo(group, dim).Apply(x);

    /// <summary>Keeps this rank's part of a sequence that all ranks have in full; the gradient is gathered.</summary>
    public static Tensor ScatterToSequenceParallel(Tensor x, ICollective group, int dim = 1) => ScatterToTensorParallel(x, group, dim);

    private static Tensor Summed(Tensor x, ICollective group)
    {
        var sum = x.is_contiguous() ? x.clone() : x.contiguous();
        group.AllReduce(sum);
        return sum;
    }

    /// <summary>Concatenation of all ranks' <paramref name="x"/> along a dimension.</summary>
    internal static Tensor AllGather(Tensor x, ICollective group, int dim)
    {
        var shape = x.shape;
        var axis = dim < 0 ? dim + shape.Length : dim;
        using var local = x.contiguous();
        using var full = empty([group.Size, .. shape], x.dtype, x.device);
        using (var flat = full.view([group.Size * shape[0], .. shape.AsSpan(1)]))
            group.AllGather(local, flat);
        if (axis == 0)
            return full.view([group.Size * shape[0], .. shape.AsSpan(1)]);
        using var moved = full.movedim([0], [axis]);
        shape[axis] *= group.Size;
        return moved.reshape(shape);
    }

    /// <summary>This rank's part of the sum of all ranks' <paramref name="x"/> along a dimension.</summary>
    internal static Tensor ReduceScatter(Tensor x, ICollective group, int dim)
    {
        var parts = Parts(x, group, dim);
        long[] shape = [.. x.shape];
        var axis = dim < 0 ? dim + shape.Length : dim;
        shape[axis] = parts;
        // [.., size·n, ..] as [size, .., n, ..], so that one rank's part is contiguous.
        long[] split = [.. shape.AsSpan(0, axis), group.Size, .. shape.AsSpan(axis)];
        using var cut = x.reshape(split);
        using var moved = cut.movedim([axis], [0]);
        using var full = moved.contiguous();
        var local = empty(shape, x.dtype, x.device);
        using (var whole = full.view([group.Size * shape[0], .. shape.AsSpan(1)]))
            group.ReduceScatter(whole, local);
        return local;
    }

    internal static Tensor Part(Tensor x, ICollective group, int dim)
    {
        var length = Parts(x, group, dim);
        using var part = x.narrow(dim, group.Rank * length, length);
        return part.is_contiguous() ? part.clone() : part.contiguous();
    }

    private static long Parts(Tensor x, ICollective group, int dim)
    {
        var length = x.shape[dim < 0 ? dim + x.dim() : dim];
        return length % group.Size == 0
            ? length / group.Size
            : throw new ArgumentException($"Dimension {dim} of {Arguments.Describe(x)} cannot be cut into {group.Size} equal parts.", nameof(x));
    }

    private sealed class CopyTo(ICollective group) : GradientNode
    {
        protected override Tensor Forward(Tensor input) => input.alias();

        protected override Tensor Backward(Tensor gradient) => Summed(gradient, group);
    }

    private sealed class ReduceFrom(ICollective group) : GradientNode
    {
        protected override Tensor Forward(Tensor input) => Summed(input, group);

        protected override Tensor Backward(Tensor gradient) => gradient.alias();
    }

    private sealed class Gather(ICollective group, int dim, bool reduceGradient) : GradientNode
    {
        protected override Tensor Forward(Tensor input) => AllGather(input, group, dim);

        protected override Tensor Backward(Tensor gradient) => reduceGradient ? ReduceScatter(gradient, group, dim) : Part(gradient, group, dim);
    }

    private sealed class Scatter(ICollective group, int dim) : GradientNode
    {
        protected override Tensor Forward(Tensor input) => Part(input, group, dim);

        protected override Tensor Backward(Tensor gradient) => AllGather(gradient, group, dim);
    }

    private sealed class ReduceScatterTo(ICollective group, int dim) : GradientNode
    {
        protected override Tensor Forward(Tensor input) => ReduceScatter(input, group, dim);

        protected override Tensor Backward(Tensor gradient) => AllGather(gradient, group, dim);
    }
}
