using Generated.Layers;
using Generated.Native;
using Generated.Quant.Kernels.Cuda;
using TorchSharp;
using static TorchSharp.torch;

namespace Generated.Quant.Layers;

/// <summary>What the products by own CUDA kernels share: one launch takes an input to several weights that go together, side by side in the result.</summary>
/// <typeparam name="TSelf">The product itself.</typeparam>
internal abstract class CudaKernelProduct<TSelf>(InputStep input, Device device) : WeightProduct
    where TSelf : CudaKernelProduct<TSelf>
{
    /// <summary>What is done to the input first; the layer's.</summary>
    protected InputStep Input => input;

    protected Device Device => device;

    /// <summary>The weight for a kernel, without a bias.</summary>
    protected abstract WeightArgument Argument { get; }

    public sealed override Tensor Multiply(Tensor x, Tensor? bias) => Multiply(x, [(TSelf)this], [bias]);

    public sealed override IJointProduct? Join(IReadOnlyList<WeightProduct> members, IReadOnlyList<Tensor?> biases)
    {
        if (members.Count > WeightArguments.Most || !members.All(m => m is TSelf other && GoesWith(other) && input.IsLike(other.Input)))
            return null;
        return new Joint([.. members.Cast<TSelf>()], [.. biases]);
    }

    /// <summary>Whether a launch can take another's weight along.</summary>
    protected abstract bool GoesWith(TSelf other);

    /// <summary>The products of an input with this weight, the first of the members, and the others.</summary>
    protected abstract Tensor Multiply(Tensor x, ReadOnlySpan<TSelf> members, ReadOnlySpan<Tensor?> biases);

    /// <summary>The members for a kernel. It holds addresses: <see cref="Keep"/> them alive.</summary>
    protected static WeightArguments Arguments(ReadOnlySpan<TSelf> members, ReadOnlySpan<Tensor?> biases)
    {
        var all = new WeightArguments();
        for (var i = 0; i < members.Length; i++)
            all.Add(members[i].Argument, biases[i] is { } bias ? TorchSharpExports.Address(bias) : 0);
        return all;
    }

    /// <summary>Keeps weights and biases alive up to here.</summary>
    protected static void Keep(ReadOnlySpan<TSelf> members, ReadOnlySpan<Tensor?> biases)
    {
        foreach (var member in members)
            GC.KeepAlive(member);
        foreach (var bias in biases)
            GC.KeepAlive(bias);
    }

    /// <summary>New rows in the place of an input's, [.., width] of its type; the caller's.</summary>
    protected Tensor Rows(Tensor x, int width) => (int)x.dim() switch
    {
        3 => empty([x.size(0), x.size(1), width], x.dtype, device),
        2 => empty([x.size(0), width], x.dtype, device),
        _ => empty([.. x.shape.AsSpan(0, (int)x.dim() - 1), width], x.dtype, device),
    };

    private sealed class Joint(TSelf[] members, Tensor?[] biases) : IJointProduct
    {
        public Tensor Multiply(Tensor x) => members[0].Multiply(x, members, biases);
    }
}
