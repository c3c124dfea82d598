using TorchSharp;
using static TorchSharp.torch;

namespace Generated.Passes;

/// <summary>Static scales with which keys and values are kept in 8 bits: x is round(x / scale), half to even, within −128…127, times the scale.</summary>
/// <param name="Keys">One per key/value head.</param>
/// <param name="Values">One per key/value head.</param>
public sealed record KvScales(float[] Keys, float[] Values)
{
    /// <summary>The scales of some of the heads: those of a tensor-parallel rank.</summary>
    public KvScales Part(int first, int count) => new(Keys.AsSpan(first, count).ToArray(), Values.AsSpan(first, count).ToArray());

    /// <exception cref="InvalidInputException">There is not one positive scale per head.</exception>
    internal void Check(int heads)
    {
        foreach (var (name, scales) in new[] { ("keys", Keys), ("values", Values) })
        {
            if (scales.Length != heads)
                throw new InvalidInputException($"The 8-bit {name} have {scales.Length} scales; the layer has {heads} key/value heads.");
            foreach (var scale in scales)
            {
                if (!(scale > 0 && float.IsFinite(scale)))
                    throw new InvalidInputException($"A scale of 8-bit {name} is {scale}; it has to be a positive number.");
            }
        }
    }
}

/// <summary>The rounding of keys and values by plain operators.</summary>
internal static class KvRounding
{
    private const float Lowest = -128;
    private const float Largest = 127;

    /// <summary>Scales as [1, heads, 1, 1].</summary>
    public static Tensor ByHead(this float[] scales, Device device)
    {
        using var flat = tensor(scales, device: device);
        return flat.view(1, -1, 1, 1).DetachFromDisposeScope();
    }

    /// <summary>Codes of x [B, heads, T, headDim] as whole float32 numbers; the caller's.</summary>
    public static Tensor Codes(Tensor x, Tensor scales)
    {
        using var wide = x.to(ScalarType.Float32);
        using var scaled = wide.div(scales);
        using var rounded = scaled.round();
        return rounded.clamp(Lowest, Largest);
    }

    /// <summary>What the codes stand for, in x's type, with a straight-through gradient; the caller's.</summary>
    public static Tensor Round(Tensor x, Tensor scales)
    {
        using var scope = NewDisposeScope();
        Tensor rounded;
        using (no_grad())
            rounded = Codes(x, scales).mul(scales).to(x.dtype);
        return (is_grad_enabled() && x.requires_grad ? x + (rounded - x).detach() : rounded).MoveToOuterDisposeScope();
    }
}
