using TorchSharp;

namespace Runtime.Tests.Loading;

/// <summary>Tests that count the process's tensors, so that nothing else may run beside them.</summary>
[CollectionDefinition(nameof(TensorCount), DisableParallelization = true)]
public sealed class TensorCount
{
    /// <summary>Tensors alive now; those that only the finalizer would free are given the time to go first.</summary>
    public static long Now()
    {
        GC.Collect();
        GC.WaitForPendingFinalizers();
        return torch.Tensor.TotalCount;
    }
}
