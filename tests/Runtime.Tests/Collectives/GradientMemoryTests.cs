using Generated.Parallel;
using Generated.Tests;
using TorchSharp;
using static TorchSharp.torch;

namespace Runtime.Tests.Collectives;

/// <summary>Measures the whole process, so it runs alone.</summary>
[CollectionDefinition(nameof(GradientMemoryTests), DisableParallelization = true)]
[Collection(nameof(GradientMemoryTests))]
public class GradientMemoryTests
{
    [SkippableFact]
    public void ThreeThousandSteps_LeaveMemoryFlat()
    {
        var (before, after) = (0L, 0L);
        ThreadCollective.Run(2, group =>
        {
            using var w = zeros([128, 128], requires_grad: true);
            using var x = ones([64, 128]);
            for (var step = 0; step < 3000; step++)
            {
                if (step == 1000 && group.Rank == 0)
                    before = NativeHeap.BytesInUse();
                using var entered = CollectiveOps.CopyToTensorParallel(w, group);
                using var product = x.matmul(entered);
                using var reduced = CollectiveOps.ReduceFromTensorParallel(product, group);
                using var loss = reduced.sum();
                GradientNode.Backpropagate(loss);
                using var gradient = w.grad!;
                gradient.zero_();
            }
            group.Barrier();
            if (group.Rank == 0)
                after = NativeHeap.BytesInUse();
        });
        Assert.Equal(0, NodeSlot.Living);
        // The smallest tensor of a step has 32 KB: keeping one per step and rank would be 128 MB.
        Assert.True(after - before < 4 << 20, $"native memory grew by {(after - before) >> 10} KB");
    }
}
