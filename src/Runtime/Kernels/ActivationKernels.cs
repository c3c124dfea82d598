using System.Runtime.Intrinsics;

namespace Generated.Kernels;

/// <summary>Activation functions of rows of float32, on the calling thread. Input and output may be the same memory.</summary>
public static unsafe class ActivationKernels
{
    private const float Sqrt2OverPi = 0.7978845608f;
    private const float GeluCubic = 0.044715f;

    /// <summary>y = SiLU(gate) · up, where SiLU(g) = g / (1 + e⁻ᵍ) (the gated MLP of Shazeer, 2020).</summary>
    public static void SiluMultiply(float* gate, float* up, float* y, long count)
    {
        long k = 0;
        for (; k <= count - 8; k += 8)
            (Silu(Vector256.Load(gate + k)) * Vector256.Load(up + k)).Store(y + k);
        for (; k < count; k++)
            y[k] = gate[k] / (1 + MathF.Exp(-gate[k])) * up[k];
    }

    /// <summary>y = SiLU(x) = x / (1 + e⁻ˣ).</summary>
    public static void Silu(float* x, float* y, long count)
    {
        long k = 0;
        for (; k <= count - 8; k += 8)
            Silu(Vector256.Load(x + k)).Store(y + k);
        for (; k < count; k++)
            y[k] = x[k] / (1 + MathF.Exp(-x[k]));
    }

    /// <summary>y = GELU(x) in its tanh form: x / 2 · (1 + tanh(√(2/π) · (x + 0.044715 x³))) (Hendrycks and Gimpel, 2016).</summary>
    public static void GeluTanh(float* x, float* y, long count)
    {
        long k = 0;
        for (; k <= count - 8; k += 8)
            GeluTanh(Vector256.Load(x + k)).Store(y + k);
        for (; k < count; k++)
            y[k] = 0.5f * x[k] * (1 + MathF.Tanh(Sqrt2OverPi * (x[k] + GeluCubic * x[k] * x[k] * x[k])));
    }

    /// <summary>y = max(x, 0); NaN stays NaN.</summary>
    public static void Relu(float* x, float* y, long count)
    {
        long k = 0;
        for (; k <= count - 8; k += 8)
            Vector256.Max(Vector256.Load(x + k), Vector256<float>.Zero).Store(y + k);
        for (; k < count; k++)
            y[k] = MathF.Max(x[k], 0);
    }

    private static Vector256<float> Silu(Vector256<float> x) => x / (Vector256<float>.One + Vector256.Exp(-x));

    private static Vector256<float> GeluTanh(Vector256<float> x)
    {
        // 0.5 · (1 + tanh u) = 1 / (1 + e⁻²ᵘ), which neither cancels nor overflows into NaN.
        var u = Sqrt2OverPi * (x + GeluCubic * x * x * x);
        return x / (Vector256<float>.One + Vector256.Exp(-2 * u));
    }
}
