using static TorchSharp.torch.nn;

namespace Generated;

/// <summary>Operators of the language that have no parameters; <c>using static Generated.Ops;</c>.</summary>
public static class Ops
{
    /// <summary>x · sigmoid(x).</summary>
    public static Flow Silu(Flow x) => x.With(functional.silu(x.Value));

    /// <summary>GELU with the error function (Hendrycks and Gimpel, 2016).</summary>
    public static Flow Gelu(Flow x) => x.With(x.Value.gelu());

    /// <summary>GELU with the tanh approximation (GPT-2's gelu_new).</summary>
    public static Flow GeluTanh(Flow x)
    {
        using var cubed = x.Value.Cubed();
        using var inner = (x.Value + 0.044715 * cubed) * Math.Sqrt(2 / Math.PI);
        using var gate = 1 + inner.tanh();
        return x.With(0.5 * x.Value * gate);
    }

    /// <summary>max(x, 0).</summary>
    public static Flow Relu(Flow x) => x.With(functional.relu(x.Value));
}
