using TorchSharp;
using static TorchSharp.torch;

namespace Generated.Layers;

/// <summary>Inverse frequencies of rotary embedding, in float32 arithmetic as the originals compute them.</summary>
internal static class RotaryFrequencies
{
    /// <summary>θ^(−2i/dim) for every pair, stretched as the spec says; 0 for pairs that do not rotate. Float32 [pairs] on the CPU.</summary>
    /// <param name="spec">The kind of rotary embedding.</param>
    /// <param name="stretch">For scaling that depends on it: the length (dynamic) or α (Qwen); 0 = not stretched.</param>
    public static Tensor Inverse(RotarySpec spec, double stretch)
    {
        using var scope = NewDisposeScope();
        var dim = spec.DimPerPosition;
        var exponents = arange(0, dim, 2, dtype: ScalarType.Float32, device: CPU) / dim;
        var frequencies = pow(Base(spec, stretch, dim), exponents).reciprocal();
        if (spec.Scaling is { Kind: RopeScalingKind.Linear } linear)
            frequencies = frequencies / linear.Factor;
        if (spec.Scaling is { Kind: RopeScalingKind.Llama3 } llama3)
            frequencies = ByParts(frequencies, llama3);
        if (spec.HalfFrequencies)
            frequencies = frequencies.to(ScalarType.Float16).to(ScalarType.Float32);
        if (spec.Width > spec.Dim)
            frequencies = cat([frequencies, zeros((spec.Width - spec.Dim) / 2, dtype: ScalarType.Float32, device: CPU)]);
        return frequencies.MoveToOuterDisposeScope();
    }

    private static double Base(RotarySpec spec, double stretch, int dim)
    {
        if (stretch == 0)
            return spec.Theta;
        var scaling = spec.Scaling!;
        var growth = scaling.Kind == RopeScalingKind.Dynamic
            ? scaling.Factor * stretch / scaling.TrainedLength - (scaling.Factor - 1)
            : stretch;
        return spec.Theta * Math.Pow(growth, dim / (dim - 2.0));
    }

    private static Tensor ByParts(Tensor frequencies, RopeScaling scaling)
    {
        var wavelengths = 2 * Math.PI / frequencies;
        var smooth = (scaling.TrainedLength / wavelengths - scaling.LowFrequencyFactor) / (scaling.HighFrequencyFactor - scaling.LowFrequencyFactor);
        // Below 0 the wavelength is long and its frequency divided; above 1 it is short and kept.
        smooth = smooth.clamp(0, 1);
        return (1 - smooth) * (frequencies / scaling.Factor) + smooth * frequencies;
    }
}
