using TorchSharp;
using static TorchSharp.torch;

namespace Generated.Parallel;

/// <summary>
/// A vocabulary cut into ranges, one per rank: ⌈V/size⌉ rows each, the last rank the rest, so that any vocabulary fits
/// any number of ranks that it has rows for. Embedding and head share the ranges, so a tied matrix is cut once.
/// </summary>
/// <param name="Start">First row of this rank.</param>
/// <param name="Length">Number of rows of this rank.</param>
/// <param name="Vocabulary">Rows of the whole.</param>
public readonly record struct VocabRange(long Start, long Length, long Vocabulary)
{
    /// <summary>The range of this rank.</summary>
    /// <exception cref="InvalidInputException">A rank would have no row.</exception>
    public static VocabRange Of(long vocabulary, ICollective group)
    {
        var step = (vocabulary + group.Size - 1) / group.Size;
        if (step * (group.Size - 1) >= vocabulary)
            throw new InvalidInputException($"A vocabulary of {vocabulary} cannot be cut over {group.Size} ranks; use fewer.");
        var start = step * group.Rank;
        return new(start, Math.Min(step, vocabulary - start), vocabulary);
    }
}

/// <summary>Embedding, head and loss over a vocabulary that is cut over ranks (Megatron-LM).</summary>
public static class VocabParallel
{
    /// <summary>Looks up rows of a table of which each rank has its range.</summary>
    /// <param name="ids">Token ids, int64 [..], equal on all ranks.</param>
    /// <param name="table">This rank's rows, [range.Length, width].</param>
    /// <param name="range">Which rows they are.</param>
    /// <param name="group">The ranks.</param>
    /// <returns>[.., width], equal on all ranks.</returns>
    public static Tensor Embedding(Tensor ids, Tensor table, VocabRange range, ICollective group)
    {
        if (group.Size == 1)
            return Lookup(ids, table);
        using var partial = PartialEmbedding(ids, table, range);
        return CollectiveOps.ReduceFromTensorParallel(partial, group);
    }

    /// <summary>
    /// The rows that this rank has, and zeros for the others: the sum over ranks is the embedding. For callers who sum by
    /// reduce-scatter, as sequence parallelism does.
    /// </summary>
    public static Tensor PartialEmbedding(Tensor ids, Tensor table, VocabRange range)
    {
        using var _ = NewDisposeScope();
        var shifted = ids - range.Start;
        var foreign = shifted.lt(0).logical_or(shifted.ge(range.Length));
        var rows = Lookup(shifted.masked_fill(foreign, 0), table);
        return rows.masked_fill(foreign.unsqueeze(-1), 0).MoveToOuterDisposeScope();
    }

    /// <summary>Joins the ranks' logits, [.., range.Length], to [.., vocabulary] on every rank, without gradient.</summary>
    public static Tensor GatherLogits(Tensor logits, VocabRange range, ICollective group)
    {
        if (group.Size == 1)
            return logits.alias();
        using var _ = no_grad();
        var step = (range.Vocabulary + group.Size - 1) / group.Size;
        using var padded = range.Length == step ? logits.alias() : nn.functional.pad(logits, [0, step - range.Length]);
        using var full = CollectiveOps.AllGather(padded, group, -1);
        using var cut = full.narrow(-1, 0, range.Vocabulary);
        return cut.contiguous();
    }

    /// <summary>
    /// Cross entropy of logits that are cut over ranks, without ever joining them: one all-reduce of maxima, one of the
    /// packed sums and target logits; the gradient is local. Computed in float32.
    /// </summary>
    /// <param name="logits">This rank's logits, [.., range.Length].</param>
    /// <param name="targets">Token ids, int64 [..], equal on all ranks.</param>
    /// <param name="range">Which logits they are.</param>
    /// <param name="group">The ranks.</param>
    /// <param name="ignored">Target whose positions count neither in the loss nor in the gradient.</param>
    /// <returns>Mean over the positions that count, float32 scalar, equal on all ranks; NaN if there are none, as in PyTorch.</returns>
    public static Tensor CrossEntropy(Tensor logits, Tensor targets, VocabRange range, ICollective group, long ignored = -100)
    {
        using var scope = NewDisposeScope();
        var counts = targets.ne(ignored);
        var losses = TokenLosses(logits, targets, range, group, ignored);
        return losses.sum().div(counts.sum()).MoveToOuterDisposeScope();
    }

    /// <summary>The losses of <see cref="CrossEntropy"/> position by position, float32 [..], 0 where ignored.</summary>
    /// <inheritdoc cref="CrossEntropy" path="/param"/>
    public static Tensor TokenLosses(Tensor logits, Tensor targets, VocabRange range, ICollective group, long ignored = -100) =>
        new CrossEntropyNode(targets, range, group, ignored).Apply(logits);

    private static Tensor Lookup(Tensor ids, Tensor table)
    {
        using var flat = ids.reshape(-1);
        using var rows = table.index_select(0, flat);
        return rows.view([.. ids.shape, table.shape[1]]);
    }

    private sealed class CrossEntropyNode(Tensor targets, VocabRange range, ICollective group, long ignored) : GradientNode
    {
        private Tensor? softmax;
        private Tensor? local;
        private Tensor? foreign;
        private Tensor? skipped;
        private ScalarType type;

        protected override Tensor Forward(Tensor input)
        {
            using var scope = NewDisposeScope();
            type = input.dtype;
            var logits = input.to(ScalarType.Float32);
            var maximum = logits.amax([-1]).contiguous();
            group.AllReduce(maximum, Reduction.Max);
            var exponents = (logits - maximum.unsqueeze(-1)).exp_();

            skipped = Keep(targets.eq(ignored));
            var shifted = targets - range.Start;
            foreign = Keep(shifted.lt(0).logical_or(shifted.ge(range.Length)));
            local = Keep(shifted.masked_fill(foreign, 0).unsqueeze(-1));
            var target = (logits.gather(-1, local).squeeze(-1) - maximum).masked_fill(foreign, 0);

            var packed = stack([exponents.sum(-1), target]);
            group.AllReduce(packed);
            var sum = packed.select(0, 0);
            softmax = Keep(exponents.div_(sum.unsqueeze(-1)));
            return (sum.log() - packed.select(0, 1)).masked_fill(skipped, 0).MoveToOuterDisposeScope();
        }

        protected override Tensor Backward(Tensor gradient)
        {
            using var scope = NewDisposeScope();
            var one = foreign!.logical_not().to(ScalarType.Float32).unsqueeze(-1);
            var slope = softmax!.clone().scatter_add_(-1, local!, one.neg());
            var weight = gradient.masked_fill(skipped!, 0).unsqueeze(-1);
            return slope.mul_(weight).to(type).MoveToOuterDisposeScope();
        }
    }
}
