using Generated.Cuda;
using TorchSharp;
using static TorchSharp.torch;

namespace Generated.Layers;

/// <summary>Operators without parameters, on tensors of any shape; results are the caller's.</summary>
public static class Elementwise
{
    /// <summary>left + right.</summary>
    public static Tensor Add(Tensor left, Tensor right) => left.add(right);

    /// <summary>left · right.</summary>
    public static Tensor Multiply(Tensor left, Tensor right) => left.mul(right);

    /// <summary>x · factor.</summary>
    public static Tensor Scale(Tensor x, double factor) => x.mul(factor);

    /// <summary>x · sigmoid(x).</summary>
    public static Tensor Silu(Tensor x) => x.silu();

    /// <summary>GELU with the error function (Hendrycks and Gimpel, 2016).</summary>
    public static Tensor Gelu(Tensor x) => x.gelu();

    /// <summary>GELU with the tanh approximation.</summary>
    public static Tensor GeluTanh(Tensor x) => x.gelu(TorchSharp.Modules.GELU.Approximate.tanh);

    /// <summary>max(x, 0).</summary>
    public static Tensor Relu(Tensor x) => x.relu();

    /// <summary>silu(gate) · up.</summary>
    public static Tensor SiluMultiply(Tensor gate, Tensor up)
    {
        if (CpuSteps.CanGate(gate) && CpuSteps.CanRun(up))
            return CpuSteps.SiluMultiply(gate, up);
        if (CudaSteps.CanRun(gate) && CudaSteps.CanRun(up))
            return CudaKernels.SiluMultiply(gate, up);
        using var open = gate.silu();
        return open.mul(up);
    }
}
