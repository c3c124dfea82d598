using System.Diagnostics;
using Generated.Cuda;
using Generated.Native;
using TorchSharp;
using static TorchSharp.torch;

namespace Generated.Quant.Kernels.Cuda;

/// <summary>
/// Exact int8 × int8 products of many rows by cuBLASLt. Of the algorithms it proposes, the fastest is found by trying each once per shape: the first of
/// its list may take twice as long. Sums of integers are the same by all of them.
/// </summary>
internal static class IntegerGemm
{
    /// <summary>Widths of weights and results are a multiple of it.</summary>
    public const int WidthStep = 16;

    private const int MostAlgorithms = 8;
    private const int Trials = 4;
    private const long WorkspaceBytes = 32 << 20;
    private const int RowStep = 64;
    private const int LargeRowStep = 256;
    private const int LargeRows = 1024;
    private static readonly Lock Gate = new();
    private static readonly Dictionary<int, nint> Handles = [];
    private static readonly Dictionary<(int Device, long Rows, long Out, long In), Plan?> Plans = [];

    /// <summary>Whether cuBLASLt can be loaded.</summary>
    public static bool IsAvailable => CublasLt.IsAvailable;

    /// <summary>Rows that an input and a result have memory for, so that prompts of many lengths share a shape.</summary>
    public static long PaddedRows(long rows)
    {
        var step = rows > LargeRows ? LargeRowStep : RowStep;
        return (rows + step - 1) / step * step;
    }

    /// <summary>y = x · wᵀ.</summary>
    /// <param name="y">[<see cref="PaddedRows"/>, out] int32, contiguous; written.</param>
    /// <param name="x">[<see cref="PaddedRows"/>, in] int8, contiguous; what is in the rows beyond the input's does not matter.</param>
    /// <param name="w">[out, in] int8, contiguous.</param>
    /// <returns>Whether there is an algorithm for these sizes.</returns>
    public static bool TryMultiply(Tensor y, Tensor x, Tensor w)
    {
        var device = y.device_index;
        using var context = CudaDriver.Enter(CudaDriver.PrimaryContext(device));
        (nint from, nint weight, nint to) = (TorchSharpExports.Address(x), TorchSharpExports.Address(w), TorchSharpExports.Address(y));
        Plan? plan;
        lock (Gate)
        {
            var key = (device, x.size(0), w.size(0), w.size(1));
            if (!Plans.TryGetValue(key, out plan))
                Plans.Add(key, plan = Fastest(device, key, from, weight, to));
        }

        if (plan is null)
            return false;
        using var workspace = plan.Algorithm.WorkspaceBytes == 0 ? null : empty([(long)plan.Algorithm.WorkspaceBytes], ScalarType.Byte, y.device);
        if (!CublasLt.TryMultiply(plan.Handle, plan.Product, plan.Algorithm, from, weight, to, workspace is null ? 0 : TorchSharpExports.Address(workspace)))
            throw new GeneratedException($"cuBLASLt could not multiply {x.size(0)} rows with a weight of {w.size(0)} × {w.size(1)} in 8 bits.");
        GC.KeepAlive(x);
        GC.KeepAlive(w);
        GC.KeepAlive(y);
        return true;
    }

    private static Plan? Fastest(int device, (int, long Rows, long Out, long In) shape, nint x, nint w, nint y)
    {
        if (!Handles.TryGetValue(device, out var handle))
            Handles.Add(device, handle = CublasLt.Create());
        using var workspace = empty([WorkspaceBytes], ScalarType.Byte, new Device(DeviceType.CUDA, device));
        var scratch = TorchSharpExports.Address(workspace);
        var product = CublasLt.Describe(shape.Rows, shape.Out, shape.In);
        Plan? best = null;
        var least = double.MaxValue;
        foreach (var algorithm in CublasLt.Algorithms(handle, product, MostAlgorithms, WorkspaceBytes))
        {
            if (!CublasLt.TryMultiply(handle, product, algorithm, x, w, y, scratch))
                continue;
            CudaDriver.Synchronize();
            var clock = Stopwatch.StartNew();
            for (var i = 0; i < Trials; i++)
                CublasLt.TryMultiply(handle, product, algorithm, x, w, y, scratch);
            CudaDriver.Synchronize();
            if (clock.Elapsed.TotalSeconds >= least)
                continue;
            least = clock.Elapsed.TotalSeconds;
            best = new Plan(handle, product, algorithm);
        }

        return best;
    }

    private sealed record Plan(nint Handle, CublasLt.Product Product, CublasLt.Algorithm Algorithm);
}
