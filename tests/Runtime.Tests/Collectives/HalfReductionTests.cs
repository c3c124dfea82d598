using FsCheck.Xunit;
using Generated.Parallel.Mpi;
using TorchSharp;
using static TorchSharp.torch;

namespace Runtime.Tests.Collectives;

/// <summary>MPI's user functions for halves against libtorch's own arithmetic, called as MPI calls them.</summary>
public unsafe class HalfReductionTests
{
    [Property(MaxTest = 60)]
    public void Functions_AgreeWithLibtorch(int seed, byte length)
    {
        using var scope = NewDisposeScope();
        using var generator = new Generator((ulong)(uint)seed);
        var n = length + 1;
        foreach (var type in new[] { ScalarType.BFloat16, ScalarType.Float16 })
        {
            var a = (randn([n], generator: generator) * 100).to(type);
            var b = (randn([n], generator: generator) * 100).to(type);
            a[0] = float.NaN;
            if (n > 20)
                a[20] = float.PositiveInfinity;
            Same(a + b, Combine(a, b, type, maximum: false));
            Same(torch.maximum(a, b), Combine(a, b, type, maximum: true));
        }
    }

    private static Tensor Combine(Tensor a, Tensor b, ScalarType type, bool maximum)
    {
        var from = a.clone();
        var into = b.clone();
        var function = (delegate* unmanaged[Cdecl]<ushort*, ushort*, int*, nint*, void>)HalfReductions.Function(type, maximum);
        var n = (int)a.numel();
        nint unused = 0;
        fixed (byte* f = from.bytes)
        fixed (byte* i = into.bytes)
            function((ushort*)f, (ushort*)i, &n, &unused);
        return into;
    }

    private static void Same(Tensor expected, Tensor actual) =>
        Assert.Equal(expected.to(ScalarType.Float32).data<float>().ToArray(), actual.to(ScalarType.Float32).data<float>().ToArray());
}
